"""Writes the dashboards and alert rules: `python -m grafana.generate`. What is written is committed."""

import json
from pathlib import Path

import yaml

from grafana.alerts import alert_rules
from grafana.dashboards import dashboards
from grafana.words import LANGUAGES

HERE = Path(__file__).parent


def generated() -> dict[Path, str]:
    """Each file that is made by code, and what it must contain."""
    files = {
        HERE / "dashboards" / language / f"{name}.json": json.dumps(model, ensure_ascii=False, indent=2) + "\n"
        for language in LANGUAGES
        for name, model in dashboards(language).items()
    }
    rules = yaml.safe_dump(alert_rules("ko"), allow_unicode=True, sort_keys=False, width=120)
    return files | {
        HERE / "provisioning" / "alerting" / "rules.yaml": f"# Made by `python -m grafana.generate`.\n{rules}"
    }


def main() -> None:
    for path, content in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
