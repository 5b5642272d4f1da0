"""Lists the templates of services, and parses `api=python:fastapi`."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from dataclasses import dataclass

from pywatt.config.diagnostics.hints import suggest
from pywatt.config.services.entries import ID
from pywatt.errors import CreateRefused

_WORDS_OF_ID = "1 to 63 lower-case letters, digits, - and _, with a letter or digit at both ends"
_NEW_SERVICE = re.compile(r"(?:(?P<id>[^=]*)=)?(?P<kind>[^:=]+)(?::(?P<name>[^:=]+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template for a new service."""

    kind: str
    """Kind on the command line: `python`, `worker`, `gateway`, ..."""
    name: str = ""
    """Name among the templates of that kind; empty if there is only one."""
    title: str
    type: str
    """Its service type."""
    default_id: str
    http: bool = True
    """True if it answers HTTP."""
    test: str = "log"
    """Template of its test, if clients can reach it."""
    requirements: tuple[str, ...] = ()
    """Packages that it needs, as lines of a requirements file."""
    module: str = ""
    """Module that it imports, to check whether its package is installed."""
    program: str = ""
    """Program that it needs on PATH."""

    @property
    def spelling(self) -> str:
        """Its name on the command line."""
        return f"{self.kind}:{self.name}" if self.name else self.kind

    @property
    def folder(self) -> str:
        """Folder of its files among the templates."""
        return f"{self.kind}/{self.name}" if self.name else self.kind


def _python(name: str, title: str, *requirements: str) -> Template:
    return Template(
        kind="python",
        name=name,
        title=title,
        type="python",
        default_id="api",
        test="http",
        requirements=requirements,
        module=name if requirements else "",
    )


TEMPLATES = (
    _python("fastapi", "a FastAPI app", "fastapi"),
    _python("starlette", "a Starlette app", "starlette"),
    _python("quart", "a Quart app", "quart"),
    _python("flask", "a Flask app", "flask"),
    _python("asgi", "an ASGI app without a framework"),
    Template(kind="worker", title="an async main(), without HTTP", type="python", default_id="worker", http=False),
    Template(
        kind="gateway", title="one address in front of the others", type="gateway", default_id="gateway", test="gateway"
    ),
    Template(
        kind="kafka-hooks",
        title="from Kafka records to webhooks, and back",
        type="kafka-hooks",
        default_id="hooks",
        test="kafka-hooks",
        requirements=("pywatt[embedded]",),
        module="confluent_kafka",
    ),
    Template(kind="health", title="the app's health over HTTP", type="health", default_id="health", test="health"),
    Template(
        kind="command",
        name="node",
        title="a Node program",
        type="command",
        default_id="node",
        test="http",
        program="node",
    ),
    Template(
        kind="command", name="shell", title="a shell script, without HTTP", type="command", default_id="job", http=False
    ),
)
KINDS = tuple(dict.fromkeys(template.kind for template in TEMPLATES))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewService:
    """A service to create."""

    id: str
    template: Template


def parse_new_service(text: str) -> NewService:
    """Parse `ID=KIND[:TEMPLATE]` or `KIND[:TEMPLATE]`. Raises CreateRefused."""
    found = _NEW_SERVICE.fullmatch(text.strip())
    if found is None:
        raise CreateRefused(f"cannot read --service {text}", hint="write ID=KIND[:TEMPLATE], as in api=python:fastapi")
    template = find_template(found["kind"], found["name"] or "")
    service_id = template.default_id if found["id"] is None else found["id"]
    problem = id_problem(service_id)
    if problem:
        raise CreateRefused(f"--service {text}: {problem}", hint=f"an id is {_WORDS_OF_ID}")
    return NewService(id=service_id, template=template)


def find_template(kind: str, name: str) -> Template:
    """Return the template with these names; without a name, the first of that kind that needs no package.

    What is installed here does not count: an app is the same on every machine. Raises CreateRefused.
    """
    of_kind = [template for template in TEMPLATES if template.kind == kind]
    if not of_kind:
        raise CreateRefused(
            f'there is no kind of service "{kind}"', hint=suggest(kind, KINDS, kind="kinds", always_list=True)
        )
    for template in of_kind:
        if template.name == name:
            return template
    if not name:
        return next((template for template in of_kind if not template.requirements), of_kind[0])
    names = [template.name for template in of_kind if template.name]
    hint = suggest(name, names, kind=f"templates of {kind}", always_list=True) or f'say just "{kind}"'
    raise CreateRefused(f'there is no template "{name}" of the kind "{kind}"', hint=hint)


def id_problem(service_id: str, taken: Iterable[str] = ()) -> str:
    """Return why this cannot be the id of a new service; empty if it can."""
    if not ID.fullmatch(service_id):
        return f'"{service_id}" cannot be an id, which is {_WORDS_OF_ID}'
    if service_id in taken:
        return f'there is a service "{service_id}" already'
    return ""


def is_installed(template: Template) -> bool:
    """Return whether the packages that the template imports are installed."""
    return not template.module or importlib.util.find_spec(template.module) is not None
