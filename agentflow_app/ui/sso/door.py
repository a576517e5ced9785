"""The parts of the door to single sign-on that live in the browser. See `door.jsx`."""

import reflex as rx

LIBRARY = rx.asset("door.jsx", shared=True).importable_path


class SsoLink(rx.Component):
    """A link to the door that keeps where one was going."""

    library = LIBRARY
    tag = "SsoLink"
    label: rx.Var[str]


class DoorProblem(rx.Component):
    """What went wrong on the way back from Google or GitHub."""

    library = LIBRARY
    tag = "DoorProblem"


class SocialLinks(rx.Component):
    """A link to each of the `providers`: google, github."""

    library = LIBRARY
    tag = "SocialLinks"
    providers: rx.Var[list[str]]
    link_class: rx.Var[str]


class SsoForm(rx.Component):
    """Asks for the field `email` and leads to its identity provider; says what went wrong there."""

    library = LIBRARY
    tag = "SsoForm"
    alert_class: rx.Var[str]
