"""Messages in the forms of Slack, Discord, Teams, and of a webhook of one's own. Pure: a message in, JSON out."""

from __future__ import annotations

from datetime import UTC, datetime

from llmitm.alerts.messages import Message
from llmitm.calls import Json

_COLORS = {"firing": 0xD93025, "resolved": 0x188038, "test": 0x1A73E8}
_TEAMS_COLORS = {"firing": "Attention", "resolved": "Good", "test": "Accent"}
_MOST_TEXT = 2_900
"""A section of Slack's may have 3000 characters. https://docs.slack.dev/reference/block-kit/blocks/section-block"""


def slack(message: Message) -> Json:
    """Return blocks. https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"""
    title = f"{message.mark} *{_slack_text(message.title)}*"
    facts = [f"*{_slack_text(name)}*  {_slack_text(value)}" for name, value in message.facts]
    code = _slack_text(message.command).replace("`", "'")
    return {
        "text": f"{message.mark} {_slack_text(message.title)}",  # what notifications show
        "blocks": [
            _section(title),
            _section("\n".join(facts)),
            {"type": "context", "elements": [{"type": "mrkdwn", "text": f"`{code}`"[:_MOST_TEXT]}]},
        ],
    }


def _section(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:_MOST_TEXT]}}


def _slack_text(text: str) -> str:
    """Take the meaning from the characters that have one: `<!channel>` would call everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def discord(message: Message) -> Json:
    """Return an embed: at most 25 fields, 6000 characters in all.

    https://discord.com/developers/docs/resources/message#embed-object
    """
    fields = [
        {"name": name[:100] or "…", "value": value[:100], "inline": False}
        for name, value in message.facts[:20]
    ]
    left = len(message.facts) - len(fields)
    code = message.command.replace("`", "'")[:1000]
    more = [{"name": "…", "value": f"and {left} more lines", "inline": False}] if left else []
    return {
        "embeds": [
            {
                "title": f"{message.mark} {message.title}"[:256],
                "color": _COLORS[message.kind],
                "fields": [*fields, *more, {"name": "See the calls", "value": f"```\n{code}\n```"}],
                "timestamp": _iso(message.at),
            }
        ],
        "allowed_mentions": {"parse": []},  # a group's name may be @everyone
    }


def teams(message: Message) -> Json:
    """Return an adaptive card, which is what a webhook of the Workflows app posts.

    https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
    (read 2026-11-26)
    """
    title = {
        "type": "TextBlock",
        "text": f"{message.mark} {_teams_text(message.title)}",
        "weight": "Bolder",
        "size": "Medium",
        "color": _TEAMS_COLORS[message.kind],
        "wrap": True,
    }
    facts = [
        {"title": _teams_text(name), "value": _teams_text(text)} for name, text in message.facts
    ]
    code = {
        "type": "TextBlock",
        "text": _teams_text(message.command),
        "fontType": "Monospace",
        "isSubtle": True,
        "wrap": True,
    }
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [title, {"type": "FactSet", "facts": facts}, code],
        "msteams": {"width": "Full"},
    }
    return {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": card,
            }
        ],
    }


def _teams_text(text: str) -> str:
    """Take the meaning from Markdown's signs that names may have."""
    for sign in "\\*_[]":
        text = text.replace(sign, f"\\{sign}")
    return text


def webhook(message: Message) -> Json:
    """Return the whole message, in the shape that Standard Webhooks recommends.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md (read 2026-11-26)
    """
    window = message.window
    return {
        "type": f"alert.{message.kind}",
        "timestamp": _iso(message.at),
        "data": {
            "alert": message.alert,
            "condition": message.condition,
            "title": message.title,
            "threshold": message.threshold or None,
            "unit": message.unit or None,
            "window": None if window is None else {"from": _iso(window[0]), "to": _iso(window[1])},
            "groups": [
                {
                    "group": each.group,
                    "value": each.value,
                    "shown": each.shown,
                    "calls": each.calls,
                    "since": _iso(each.since),
                }
                for each in message.crossings
            ],
            "more_groups": message.more,
            "command": message.command,
        },
    }


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
