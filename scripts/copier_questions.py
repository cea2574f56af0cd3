"""Write copier.yml from cookiecutter.json (`make copier`), so that copier asks and renders the same.

The templates read `cookiecutter`, a hidden answer made of the others, of the pins, and of what follows from them.
"""

import json
import sys
from pathlib import Path

import yaml

TEMPLATE = Path(__file__).resolve().parents[1]
HEADER = """\
# Made from cookiecutter.json by `make copier`: copier copy --trust <this repository> my-etl
"""
# cookiecutter's filter, by one that copier has.
SLUGIFY = "lower | regex_replace('[^a-z0-9]+', '-')"
HOOK = ["<< _copier_python >>", "<< _copier_conf.src_path >>/hooks/by_copier.py", "<< _copier_operation >>"]


def for_copier(code):
    """Return template code of cookiecutter.json with copier's names of the answers."""
    return code.replace("cookiecutter.", "").replace("slugify", SLUGIFY)


def questions(asked, prompts):
    """Return copier's questions: name → what it asks."""
    found = {}
    for name, default in asked.items():
        prompt = prompts[name]
        found[name] = {"type": "str", "help": prompt if isinstance(prompt, str) else prompt["__prompt__"]}
        if isinstance(default, list):
            found[name] |= {"choices": {prompt[choice]: choice for choice in default}, "default": default[0]}
        else:
            found[name]["default"] = for_copier(default)
    return found


def copier(cookiecutter):
    """Return the content of copier.yml for that of cookiecutter.json."""
    asked = {name: value for name, value in cookiecutter.items() if not name.startswith("_")}
    computed = {name: value for name, value in cookiecutter.items() if name[:2] == "__" and name != "__prompts__"}
    pins = {name: value for name, value in cookiecutter.items() if name[0] == "_" and isinstance(value, str)}
    pins = {name: value for name, value in pins.items() if name not in computed}
    names = ", ".join(f'"{name}": {name}' for name in asked)
    lines = [f"<% set cookiecutter = dict({json.dumps(pins)}, **{{{names}}}) -%>"]
    for name, code in computed.items():
        lines.append(
            f'<% set value %>{code}<% endset %><% set _ = cookiecutter.update({{"{name}": value | string}}) -%>'
        )
    lines.append("<< cookiecutter | tojson >>")
    return {
        "_min_copier_version": "9.4.0",
        "_subdirectory": "<<'<<'>>cookiecutter.project_slug>>",
        "_templates_suffix": "",
        "_envops": cookiecutter["_jinja2_env_vars"] | {"keep_trailing_newline": True},
        "_answers_file": ".copier-answers.yml",
        "_skip_if_exists": ["secrets/*"],
        "_tasks": [{"command": [*HOOK, "<< _copier_answers | tojson >>"]}],
        **questions(asked, cookiecutter["__prompts__"]),
        "cookiecutter": {"type": "json", "when": False, "default": "\n".join(lines)},
    }


def main():
    """Write copier.yml."""
    cookiecutter = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
    text = yaml.safe_dump(copier(cookiecutter), sort_keys=False, width=120, allow_unicode=True)
    (TEMPLATE / "copier.yml").write_text(HEADER + text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
