from engine.context import Context
from engine.llm.question import Question
from engine.llm.request import ask
from engine.nodes.ai.base import AiConfig, AiNode
from engine.nodes.base import Result
from engine.nodes.fields import Text, field


class ChatConfig(AiConfig):
    prompt: Text = field("Prompt", "What the model is asked.", widget="textarea", min_length=1)


class Chat(AiNode[ChatConfig]):
    subtype = "chat"
    label = "Chat"
    help = "Asks a language model and gives its answer as text."
    icon = "message-square"
    Config = ChatConfig

    def question(self, config: ChatConfig) -> Question:
        return Question(
            models=self.models(config),
            prompt=config.prompt,
            system=config.system,
            task={"task": "chat"},
            temperature=config.temperature,
            top_p=config.top_p,
            max_tokens=config.max_tokens,
        )

    async def run(self, config: ChatConfig, context: Context) -> Result:
        answer = await ask(self.question(config), context)
        return self.result(answer, context)
