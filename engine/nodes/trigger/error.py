from engine.nodes.trigger.manual import Manual


class Error(Manual):
    subtype = "error"
    label = "Error"
    help = "Starts when a run fails of an agent whose settings name this one."
    icon = "siren"
