from engine.nodes.trigger.manual import Manual


class Agent(Manual):
    subtype = "agent"
    label = "Another agent"
    help = "Starts when another agent runs this one."
    icon = "bot"
