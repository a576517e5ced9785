from engine.nodes.trigger.manual import Manual


class Form(Manual):
    subtype = "form"
    label = "Form"
    help = "Starts when somebody fills in the agent's public form, which its schema draws."
    icon = "notebook-pen"
