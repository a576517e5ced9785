from engine.context import Context
from engine.nodes.base import NodeKind, Result
from engine.nodes.fields import NodeConfig, NodeOutput, Text, field


class TemplateConfig(NodeConfig):
    template: Text = field(
        "Template", "Text with {{ expressions }}, {% if %} and {% for %} in it.", widget="textarea"
    )


class TemplateOutput(NodeOutput):
    text: str


class Template(NodeKind[TemplateConfig]):
    type = "action"
    subtype = "template"
    label = "Template"
    help = "Writes a text from the values of earlier nodes."
    icon = "file-text"
    instant = True
    Config = TemplateConfig
    Output = TemplateOutput

    async def run(self, config: TemplateConfig, context: Context) -> Result:
        return Result({"text": config.template})
