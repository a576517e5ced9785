import re

from playwright.async_api import Locator, Page, expect

from tests.e2e.conftest import PHONE, Visit, Visitor


async def new_agent(visitor: Visitor, name: str = "Greeter") -> None:
    """On the canvas of a blank agent: one manual trigger."""
    page = visitor.page
    await visitor.go("/agents")
    await page.get_by_role("button", name="New agent").first.click()
    await page.get_by_role("dialog").get_by_label("Name").fill(name)
    await page.get_by_role("button", name="Create agent").click()
    await page.wait_for_url(re.compile(r"/agents/[0-9a-f-]{36}$"))
    await expect(nodes(page)).to_have_count(1)


def nodes(page: Page) -> Locator:
    return page.locator("[data-node]")


def edges(page: Page) -> Locator:
    return page.locator(".react-flow__edge")


async def saved(page: Page) -> None:
    await expect(page.locator("[data-saved=saved]")).to_be_visible()


async def pick(page: Page, label: str) -> None:
    palette = page.get_by_role("complementary", name="Nodes")
    await palette.get_by_role("button", name=re.compile(f"^{label} ")).click()


async def begun_with(visit: Visit, label: str) -> Visitor:
    """Before a new agent whose trigger is followed by such a node, which is selected."""
    visitor = await visit()
    await new_agent(visitor)
    await nodes(visitor.page).first.click()
    await pick(visitor.page, label)
    return visitor


async def test_what_is_clicked_in_the_palette_follows_the_selected_node(visit: Visit) -> None:
    ada = await begun_with(visit, "Template")
    await expect(nodes(ada.page)).to_have_count(2)
    await expect(edges(ada.page)).to_have_count(1)
    await saved(ada.page)
    await ada.page.reload()
    await expect(nodes(ada.page)).to_have_count(2)
    await expect(edges(ada.page)).to_have_count(1)


async def test_nodes_are_dropped_connected_and_deleted_by_hand(visit: Visit) -> None:
    ada = await visit()
    page = ada.page
    await new_agent(ada)
    palette = page.get_by_role("complementary", name="Nodes")
    await palette.get_by_role("button", name="Set values").drag_to(
        page.locator(".react-flow__pane"), target_position={"x": 800, "y": 500}
    )
    await expect(nodes(page)).to_have_count(2)
    await expect(edges(page)).to_have_count(0)
    source = page.locator("[data-node=start] .react-flow__handle-right")
    target = page.locator("[data-node=set] .react-flow__handle-left")
    await target.hover()  # waits until the canvas stands still
    await source.hover()
    await page.mouse.down()
    await target.hover()
    await page.mouse.up()
    await expect(edges(page)).to_have_count(1)
    await saved(page)
    await page.locator("[data-node=set]").click()
    await page.keyboard.press("Escape")
    await page.locator("[data-node=set]").click()
    await page.locator("[data-node=set]").press("Delete")
    await expect(nodes(page)).to_have_count(1)
    await expect(edges(page)).to_have_count(0)


async def test_undo_and_redo_walk_through_every_change(visit: Visit) -> None:
    page = (await begun_with(visit, "Template")).page
    await page.get_by_role("textbox", name="Template").fill("Hello")
    await page.get_by_role("textbox", name="Label").fill("Greeting")
    await expect(page.locator("[data-node=template]")).to_contain_text("Greeting")
    undo, redo = page.get_by_role("button", name="Undo"), page.get_by_role("button", name="Redo")
    await undo.click()
    await expect(page.locator("[data-node=template]")).not_to_contain_text("Greeting")
    await expect(page.locator("[data-node=template]")).to_contain_text("Hello")
    await undo.click()
    await expect(page.locator("[data-node=template]")).not_to_contain_text("Hello")
    await undo.click()
    await expect(nodes(page)).to_have_count(1)
    await expect(undo).to_be_disabled()
    for _ in range(3):
        await redo.click()
    await expect(page.locator("[data-node=template]")).to_contain_text("Greeting")
    await expect(redo).to_be_disabled()
    await saved(page)


async def test_copies_travel_between_agents_as_text(visit: Visit) -> None:
    ada = await visit()
    page = ada.page
    await ada.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await new_agent(ada)
    await nodes(page).first.click()
    await pick(page, "Template")
    await page.get_by_role("textbox", name="Template").fill("Carry me")
    await page.locator("[data-node=template]").click()
    await page.keyboard.press("ControlOrMeta+c")
    await saved(page)
    await new_agent(ada, "Another")
    await page.locator(".react-flow__pane").click(position={"x": 600, "y": 100})
    await page.keyboard.press("ControlOrMeta+v")
    await expect(page.locator("[data-node=template]")).to_contain_text("Carry me")
    await page.keyboard.press("ControlOrMeta+d")
    await expect(nodes(page)).to_have_count(3)


async def test_problems_are_on_the_node_in_the_list_and_beside_the_field(visit: Visit) -> None:
    page = (await begun_with(visit, "Template")).page
    await page.get_by_role("textbox", name="Template").fill("{{ node_nobody.output.text }}")
    await saved(page)
    await expect(page.locator("#field-template-note")).to_contain_text("nobody")
    await expect(page.locator("#field-template")).to_have_attribute("aria-invalid", "true")
    await page.locator(".react-flow__pane").click(position={"x": 600, "y": 60})
    await expect(page.locator("#field-template")).to_have_count(0)
    await page.get_by_role("button", name="1 problem").click()
    await page.get_by_role("dialog").get_by_role("button").first.click()
    await expect(page.locator("#field-template")).to_be_visible()

    await page.get_by_role("button", name="Publish").click()
    await page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    await expect(page.locator("header [data-status=draft]")).to_be_visible()


async def test_a_change_made_elsewhere_is_a_choice_and_never_overwritten(visit: Visit) -> None:
    ada = await begun_with(visit, "Template")
    await saved(ada.page)
    other = await visit(like=ada)
    await other.page.goto(ada.page.url)
    await expect(nodes(other.page)).to_have_count(2)

    await ada.page.get_by_role("textbox", name="Template").fill("From the first window")
    await saved(ada.page)
    await other.page.locator("[data-node=template]").click()
    await other.page.get_by_role("textbox", name="Template").fill("From the second window")
    choice = other.page.get_by_role("alertdialog")
    await expect(choice).to_be_visible()
    await choice.get_by_role("button", name="Take theirs").click()
    await expect(other.page.locator("[data-node=template]")).to_contain_text("From the first window")
    await expect(choice).to_have_count(0)

    await other.page.locator("[data-node=template]").click()
    await other.page.get_by_role("textbox", name="Template").fill("Second thoughts")
    await saved(other.page)
    await ada.page.get_by_role("textbox", name="Template").fill("Mine after all")
    await ada.page.get_by_role("alertdialog").get_by_role("button", name="Keep mine").click()
    await saved(ada.page)
    await other.page.reload()
    await expect(other.page.locator("[data-node=template]")).to_contain_text("Mine after all")


async def test_work_that_was_not_saved_yet_is_there_after_a_crash(visit: Visit) -> None:
    ada = await begun_with(visit, "Template")
    page = ada.page
    await saved(page)
    address = page.url
    await ada.context.set_offline(True)
    await page.get_by_role("textbox", name="Template").fill("Typed in a tunnel")
    await page.close()
    await ada.context.set_offline(False)
    again = await ada.context.new_page()
    await again.goto(address)
    await expect(again.locator("[data-node=template]")).to_contain_text("Typed in a tunnel")
    await saved(again)


async def test_leaving_for_another_page_at_once_loses_nothing_and_asks_nothing(visit: Visit) -> None:
    page = (await begun_with(visit, "Template")).page
    await saved(page)
    address = page.url
    await page.get_by_role("textbox", name="Template").fill("In a hurry")
    await page.get_by_role("link", name="Back to all agents").click()
    await expect(page.get_by_role("heading", name="Agents", exact=True)).to_be_visible()
    await page.get_by_role("link", name="Greeter").click()
    await expect(page).to_have_url(address)
    await expect(page.locator("[data-node=template]")).to_contain_text("In a hurry")
    await saved(page)
    await expect(page.get_by_role("alertdialog")).to_have_count(0)


async def test_input_that_is_no_json_is_said_beside_it(visit: Visit) -> None:
    ada = await visit()
    page = ada.page
    await new_agent(ada)
    await page.get_by_role("tab", name="Input").click()
    await page.get_by_label("Trigger data, as JSON").fill("{oops")
    await page.get_by_role("button", name="Test", exact=True).click()
    await expect(page.locator("#sample-note")).to_contain_text("not JSON")


async def test_an_agent_is_imported_as_json(visit: Visit) -> None:
    ada = await visit()
    page = ada.page
    await ada.go("/agents")
    await page.get_by_role("button", name="New agent").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("Imported")
    await dialog.get_by_text("Import", exact=True).click()
    await dialog.get_by_role("textbox", name="Definition").fill("[1, 2]")
    await dialog.get_by_role("button", name="Create agent").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("JSON object")
    await dialog.get_by_role("textbox", name="Definition").fill(
        '{"schema_version": 1, "nodes": [{"id": "say", "type": "action", "subtype": "template",'
        ' "config": {"template": "Hi"}}], "edges": []}'
    )
    await dialog.get_by_role("button", name="Create agent").click()
    await expect(page.locator("[data-node=say]")).to_contain_text("Hi")


async def test_code_is_written_with_line_numbers_and_gets_its_inputs_by_a_click(visit: Visit) -> None:
    page = (await begun_with(visit, "Code")).page
    inspector = page.get_by_role("complementary", name="Selected node")
    code = inspector.get_by_role("textbox", name="Code", exact=True)
    await code.click()
    await page.keyboard.type("def f(x):")
    await page.keyboard.press("Enter")
    await page.keyboard.type("return x + 1")
    await expect(code).to_have_value("def f(x):\n    return x + 1")
    await inspector.get_by_text("Data to use").click()
    await inspector.get_by_role("button", name="Trigger data").click()
    await expect(inspector.get_by_role("textbox", name="Value", exact=True)).to_have_value(
        "{{ trigger.data }}"
    )
    await expect(code).to_have_value("def f(x):\n    return x + 1")
    await code.fill("\n".join(["x = 1"] * 30) + "\ny = (")
    await expect(inspector.get_by_text("Line 31: '(' was never closed.")).to_be_visible()
    await saved(page)


async def test_on_a_phone_nodes_are_added_and_set_up_in_sheets_from_below(visit: Visit) -> None:
    ada = await visit(size=PHONE)
    page = ada.page
    await new_agent(ada)
    sheet = page.get_by_role("complementary", name="Nodes")
    await expect(sheet).to_be_hidden()
    await page.get_by_role("button", name="Add a node").click()
    await sheet.get_by_role("button", name="Template").click()
    await expect(nodes(page)).to_have_count(2)
    await expect(sheet).to_be_hidden()
    inspector = page.get_by_role("complementary", name="Selected node")
    await inspector.get_by_label("Label").fill("Greeting")
    await saved(page)
    await inspector.get_by_role("button", name="Close").click()
    await expect(inspector).to_be_hidden()
    await nodes(page).filter(has_text="Greeting").click()
    await expect(inspector.get_by_label("Label")).to_have_value("Greeting")
    wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide


async def test_settings_names_and_addresses_are_where_one_looks_for_them(visit: Visit) -> None:
    ada = await visit()
    page = ada.page
    await new_agent(ada)
    inspector = page.get_by_role("complementary", name="Selected node")
    await pick(page, "Form")
    await expect(inspector.get_by_text("/api/v1/public/forms/")).to_be_visible()
    await nodes(page).filter(has_text="Form").press("Delete")
    await expect(nodes(page)).to_have_count(1)
    await pick(page, "Webhook")
    await expect(inspector.get_by_text("/api/v1/hooks/")).to_be_visible()
    secret = inspector.get_by_label("Signing secret")
    await expect(secret.locator("option")).to_have_text(["None"])
    async with ada.context.expect_page() as opened:
        await inspector.get_by_role("link", name="New secret").click()
    settings = await opened.value
    await settings.get_by_role("button", name="New secret").first.click()
    await settings.get_by_role("dialog").get_by_label("Name").fill("SIGNING")
    await settings.get_by_role("dialog").get_by_label("Value").fill("signing-secret")
    await settings.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(settings.get_by_role("dialog")).to_have_count(0)
    await settings.close()
    await secret.focus()
    await secret.select_option("SIGNING")
    await saved(page)
    await page.get_by_role("button", name="Settings of the agent").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Budget, USD").fill("2.5")
    await dialog.get_by_label("Name").fill("Listener")
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_label("Name of the agent")).to_have_value("Listener")
    await page.reload()
    await nodes(page).filter(has_text="Webhook").click()
    await expect(secret).to_have_value("{{ secrets.SIGNING }}")
    await page.get_by_role("button", name="Settings of the agent").click()
    await expect(dialog.get_by_label("Budget, USD")).to_have_value("2.5")
    await page.reload()
    await expect(nodes(page)).to_have_count(2)
    await expect(dialog).to_have_count(0)
