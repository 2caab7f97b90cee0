"""Rules of this house that no linter knows, read from the syntax trees of the product.

ruff's `S` looks for what bandit looks for. These rules are what a semgrep file would hold; they
need no package of their own, and take a second.
"""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVING = ("core", "server", "workers")
ALL = (*SERVING, "admin", "standalone", "clients/python/rushes")
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
# Values of log lines that would hold what people wrote, or what opens something.
TELLING = re.compile(
    r"prompt|title|label|query|body|header|cookie|spec|content|url|uri|address"
    r"|token|secret|password|signature|authorization|api_key|credential"
)
SECRET = re.compile(r"(^|_)(signature|mac|hmac|password|secret|api_key)$")
SHELLS = {"system", "popen", "create_subprocess_shell", "getoutput", "getstatusoutput"}
PICKLES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle"}

Rule = Callable[[ast.AST], Iterator[int]]


def text_of_an_exception(tree: ast.AST) -> Iterator[int]:
    """A caught exception as text: a library's message may repeat a prompt, a key or an address."""
    for handler in ast.walk(tree):
        if isinstance(handler, ast.ExceptHandler) and handler.name:
            for node in ast.walk(handler):
                if any(_is(shown, handler.name) for shown in _shown(node)):
                    yield node.lineno  # type: ignore[attr-defined]


def _shown(node: ast.AST) -> list[ast.AST]:
    """What the expression turns into text."""
    if isinstance(node, ast.Call) and _name(node.func) in ("str", "repr", "format"):
        return list(node.args)
    if isinstance(node, ast.FormattedValue):
        return [node.value]
    if isinstance(node, ast.Attribute) and node.attr == "args":
        return [node.value]
    return []


def telling_log_line(tree: ast.AST) -> Iterator[int]:
    """A log line with what people wrote or what opens something, or without a fixed event."""
    for call in _calls(tree):
        if isinstance(call.func, ast.Attribute) and call.func.attr in LOG_METHODS:
            if _name(call.func.value) not in ("log", "_log", "logger"):
                continue
            event = call.args[0] if call.args else None
            fixed = isinstance(event, ast.Constant) and isinstance(event.value, str)
            names = [keyword.arg or "" for keyword in call.keywords]
            names = [name for name in names if not name.endswith("_id")]
            if not fixed or any(TELLING.search(name) for name in names):
                yield call.lineno


def secret_compared_in_steps(tree: ast.AST) -> Iterator[int]:
    """A secret compared by `==`: how long that takes tells how much of a guess is right."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq)):
            continue
        if any(SECRET.search(_name(side)) for side in (node.left, *node.comparators)):
            yield node.lineno


def tls_without_a_check(tree: ast.AST) -> Iterator[int]:
    """A certificate that nobody looks at. ruff knows requests and httpx, but not httpx2."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("verify", "check_hostname"):
            if _is_false(node.value):
                yield node.value.lineno
        elif isinstance(node, ast.Attribute) and (
            node.attr in ("CERT_NONE", "_create_unverified_context")
            or (node.attr in ("check_hostname", "verify_mode") and isinstance(node.ctx, ast.Store))
        ):
            yield node.lineno


def redirect_followed(tree: ast.AST) -> Iterator[int]:
    """A client that goes wherever an answer sends it."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.keyword) and node.arg == "follow_redirects"):
            continue
        if not _is_false(node.value):
            yield node.value.lineno


def shell(tree: ast.AST) -> Iterator[int]:
    """A command line that a shell reads."""
    for call in _calls(tree):
        asked = (keyword.value for keyword in call.keywords if keyword.arg == "shell")
        if not all(map(_is_false, asked)) or _name(call.func) in SHELLS:
            yield call.lineno


def unpickling(tree: ast.AST) -> Iterator[int]:
    """A format that runs what it reads."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or "", *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Attribute):
            modules = [node.attr]
        else:
            continue
        if any(name.split(".")[0] in PICKLES or name == "PickleEncoder" for name in modules):
            yield node.lineno


RULES: dict[Rule, tuple[str, ...]] = {
    text_of_an_exception: SERVING,
    telling_log_line: ALL,
    secret_compared_in_steps: ALL,
    tls_without_a_check: ALL,
    redirect_followed: ALL,
    shell: ALL,
    unpickling: ALL,
}
# How many places of a file may break a rule, and why.
WAIVERS: dict[tuple[Rule, str], tuple[int, str]] = {
    (text_of_an_exception, "core/catalog/models.py"): (2, "the operator's own file, at the start"),
    (text_of_an_exception, "core/catalog/prompts.py"): (1, "the operator's own file, at the start"),
    (text_of_an_exception, "core/store/engine/copies.py"): (1, "looked at, and shown to nobody"),
    (text_of_an_exception, "core/store/engine/database.py"): (1, "our words on a setting"),
    (text_of_an_exception, "core/fetching/post.py"): (1, "our words on an answer"),
    (text_of_an_exception, "core/sending.py"): (1, "our words on an address"),
    (text_of_an_exception, "server/validation/inputs.py"): (1, "our words on an address"),
    (text_of_an_exception, "server/validation/webhooks.py"): (1, "our words on an address"),
    (text_of_an_exception, "workers/providers/builtin/sizes.py"): (1, "a value that was checked"),
    (secret_compared_in_steps, "server/interceptors/jwt_verifier.py"): (
        1,
        "compares two spellings of what the caller sent",
    ),
}
PLANTED: dict[Rule, list[str]] = {
    text_of_an_exception: [
        "try: pass\nexcept ValueError as error: raise FieldInvalid(str(error))",
        "try: pass\nexcept ValueError as error: raise FieldInvalid(f'no: {error}')",
        "try: pass\nexcept ValueError as error: x = error.args[0]",
    ],
    telling_log_line: [
        "log.info('made', prompt=spec.prompt)",
        "log.warning('refused', bearer_token=text)",
        "log.info(f'made {prompt}')",
        "log.info(event)",
    ],
    secret_compared_in_steps: ["given.signature == expected", "expected != mac"],
    tls_without_a_check: [
        "httpx2.Client(verify=False)",
        "context.check_hostname = False",
        "context.verify_mode = ssl.CERT_NONE",
        "ssl._create_unverified_context()",
    ],
    redirect_followed: ["httpx2.Client(follow_redirects=True)", "get(follow_redirects=follow)"],
    shell: ["run(command, shell=True)", "os.system(text)", "asyncio.create_subprocess_shell(x)"],
    unpickling: [
        "import pickle",
        "from dramatiq.encoder import PickleEncoder",
        "from dill import x",
    ],
}


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_false(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _name(node: ast.AST) -> str:
    """The last word of a name: `c` of `a.b.c`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


@cache
def _tree(file: Path) -> ast.AST:
    return ast.parse(file.read_text())


def _sources(folders: tuple[str, ...]) -> Iterator[Path]:
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            if not file.is_relative_to(ROOT / "clients/python/rushes/v1"):
                yield file


def _found(rule: Rule) -> dict[str, list[int]]:
    """The lines that break the rule, by file."""
    lines = {str(f.relative_to(ROOT)): sorted(rule(_tree(f))) for f in _sources(RULES[rule])}
    return {file: found for file, found in lines.items() if found}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_only_waived_places_break_the_rule(rule: Rule) -> None:
    waived = {file: places for (one, file), (places, _) in WAIVERS.items() if one is rule}
    found = _found(rule)

    assert {file: len(lines) for file, lines in found.items()} == waived, found


@pytest.mark.parametrize(
    ("rule", "code"),
    [(rule, code) for rule, codes in PLANTED.items() for code in codes],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_the_rule_finds_what_breaks_it(rule: Rule, code: str) -> None:
    assert list(rule(ast.parse(code)))


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (text_of_an_exception, "try: pass\nexcept ValueError as error: x = type(error).__name__"),
        (telling_log_line, "log.info('made', job_id=job.job_id, api_key_id=key.api_key_id)"),
        (secret_compared_in_steps, "hmac.compare_digest(signature, expected)"),
        (tls_without_a_check, "httpx2.Client(verify=tls_context())"),
        (redirect_followed, "httpx2.Client(follow_redirects=False)"),
        (shell, "run(['ls'], shell=False)"),
        (unpickling, "import json"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_the_rule_leaves_the_right_way_alone(rule: Rule, code: str) -> None:
    assert list(rule(ast.parse(code))) == []


def test_each_waiver_of_ruff_says_why() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = text.partition("[tool.ruff.lint.per-file-ignores]\n")[2].partition("\n[")[0]
    lines = [line for line in block.splitlines() if re.search(r'"S\d*"', line)]
    sources = [line for file in _sources(ALL) for line in file.read_text().splitlines()]
    lines += [line for line in sources if re.search(r"noqa: S\d", line)]

    assert lines
    assert [line for line in lines if not re.search(r"\] # \w+ \w+|noqa: S\d+ - \w+", line)] == []
