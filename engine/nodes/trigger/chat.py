from engine.nodes.trigger.manual import Manual


class Chat(Manual):
    subtype = "chat"
    label = "Chat"
    help = "Starts with each message of a conversation."
    icon = "messages-square"
