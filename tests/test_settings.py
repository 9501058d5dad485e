"""Settings: defaults, what may stand there, and errors that can be acted upon."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmitm.errors import SettingsError
from llmitm.home import Home
from llmitm.settings import Settings, load, parse


def write(home: Home, text: str) -> None:
    home.settings.write_text(text, "utf-8")


def test_without_a_file_everything_has_its_default(home: Home) -> None:
    settings = load(home, {})
    assert settings == Settings()
    assert (settings.proxy.port, settings.proxy.listen) == (8080, "127.0.0.1")
    assert settings.streams.ask_usage
    assert settings.log.bodies
    assert settings.log.keep_days is None


def test_reads_what_is_there(home: Home) -> None:
    write(
        home,
        """
        [proxy]
        port = 9000
        [log]
        keep_days = 30
        redact = ["secret-[0-9]+"]
        [streams]
        ask_usage = false
        [[provider]]
        name = "acme"
        hosts = ["llm.acme.internal", "http://10.0.0.5:8000", "*.llm.acme.example"]
        """,
    )
    settings = load(home, {})
    assert settings.proxy.port == 9000
    assert settings.proxy.listen == "127.0.0.1"
    assert settings.log.keep_days == 30
    assert settings.log.redact == ("secret-[0-9]+",)
    assert not settings.streams.ask_usage
    assert settings.provider[0].hosts[1] == "http://10.0.0.5:8000"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[proxy]\nport = 99999", "proxy.port = 99999: allowed is less than or equal to 65535"),
        ("[proxy]\nport = '8080'", "proxy.port = '8080': allowed is a valid integer"),
        ("[proxy]\nprt = 1", "proxy.prt is not known; here may stand port, listen"),
        (
            "[proxi]\nport = 1",
            "proxi is not known; here may stand proxy, log, streams, sockets, cache, governor, retries, runaway, callers, budgets, budget, defaults, rule, gateway, otlp, keys, provider, alert, channel",
        ),
        ("proxy = 3", "proxy = 3: allowed is a table"),
        (
            "[governor]\nthen = 'stop'",
            "governor.then = 'stop': allowed is 'go' or 'refuse'",
        ),
        (
            "[[governor.limit]]\nprovider = 'vllm'",
            "governor.limit[1] = {'provider': 'vllm'}: allowed is at least one of requests_per_minute",
        ),
        (
            "[[governor.limit]]\nrequests = 3",
            "governor.limit[1].requests is not known; here may stand provider, model, key, requests_per_minute",
        ),
        (
            "[[governor.limit]]\nat_once = 0",
            "governor.limit[1].at_once = 0: allowed is greater than or equal to 1",
        ),
        (
            "[defaults]\npriority = 'urgent'",
            "defaults.priority = 'urgent': allowed is high, normal, low",
        ),
        ("[keys]\nopenai = 5", 'keys.openai = …: allowed is a key, or { env = "VARIABLE" }'),
        ("[keys]\nopenai = ''", "keys.openai = …: allowed is a key"),
        ("[keys]\nopenai = { file = 'sk-secret' }", "keys.openai = …: allowed is a key"),
        ("[keys]\nopnai = 'sk-secret'", "keys.opnai is not the name of a provider"),
        (
            "[gateway]\nallow = ['llm.example.com']",
            "gateway.allow[1] = 'llm.example.com': allowed is an origin such as",
        ),
        ("[gateway]\nmodels = { fast = 3 }", "gateway.models.fast = 3: allowed is a valid string"),
        (
            "[proxy]\nlisten = 'example.com'",
            "proxy.listen = 'example.com': allowed is an IP address",
        ),
        ("[log]\nbodies = 1", "log.bodies = 1: allowed is a valid boolean"),
        ("[log]\nkeep_days = 0", "log.keep_days = 0: allowed is greater than or equal to 1"),
        ("[log]\nredact = ['(']", "log.redact[1] = '(': allowed is a regular expression"),
        ("[[provider]]\nname = 'x'", "provider[1].hosts is missing"),
        ("[alert.a]\nto = 'desktop'", "alert.a.when is missing"),
        (
            "[alert.a]\nwhen = 'spent > 5'\nto = 'desktop'",
            "alert.a.when = 'spent > 5': allowed is metric",
        ),
        ("[alert.a]\nwhen = 'spend > 5'\nto = 'x'", "alert.a.to = 'x': allowed is desktop"),
        ("[alert.a]\nwhen = 'spend > 5'\nto = []", "alert.a.to = []: allowed is a name such as"),
        (
            "[alert.'a b']\nwhen = 'spend > 5'\nto = 'desktop'",
            "alert.a b: allowed is a name of letters",
        ),
        (
            "[alert.a]\nwhen = 'spend > 5'\nto = 'desktop'\nfor = 1",
            "alert.a.for is not known; here may stand when, to, resolved",
        ),
        ("[channel.x]\nurl = 'SECRET'", "channel.x: kind is missing"),
        ("[channel.slack]\nkind = 'slack'", "channel.slack: url is missing"),
        (
            "[channel.slack]\nurl = { environment = 'SECRET' }",
            "channel.slack.url = …: allowed is a text, or { env =",
        ),
        (
            "[channel.slack]\nurl = 'x'\npassword = 'SECRET'",
            "channel.slack: password has no meaning for the kind slack: allowed is url, ca_file",
        ),
        (
            "[channel.email]\nhost = 'h'\nto = 'a'\npassword = 'SECRET'\nsecurity = 'none'",
            "channel.email = …: allowed is a password only with",
        ),
        (
            "[channel.email]\nhost = 'h'\nport = 0\nto = 'a'",
            "channel.email.port = …: allowed is greater",
        ),
        ("[[provider]]\nname = 'x'\nhosts = []", "provider[1].hosts = []: allowed"),
        ("[[provider]]\nname = 'x'\nhosts = ['a b']", "provider[1].hosts[1] = 'a b': allowed"),
        ("[[provider]]\nname = 'X'\nhosts = ['a']", "provider[1].name = 'X': allowed"),
        (
            "[[provider]]\nname = 'x'\nhosts = ['a']\ncolour = 1",
            "provider[1].colour is not known; here may stand name, hosts, dialects",
        ),
        (
            "[[provider]]\nname = 'x'\nhosts = ['a']\ndialects = ['openai', 'klingon']",
            "provider[1].dialects = 'klingon': allowed is ",
        ),
        ("[streams]\nhold_seconds = -1", "streams.hold_seconds = -1: allowed is greater than"),
        (
            "[defaults]\ncache_max_age = '7y'",
            "defaults.cache_max_age = '7y': allowed is seconds, or a number with ms, s, m, h, d or w",
        ),
        ("[defaults]\ncache_max_age = '400d'", "defaults.cache_max_age = '400d': allowed"),
        ("[defaults]\ncach = true", "defaults.cach is not known; here may stand cache, cache_read"),
        ("[defaults]\nretries = 21", "defaults.retries = 21: allowed is less than or equal to 20"),
        ("[defaults]\nrate_limit = '9;w=1'", "defaults.rate_limit = '9;w=1': allowed is QUOTA;w="),
        ("[defaults]\nrate_limit = 9", "defaults.rate_limit = 9: allowed is a text"),
        ("[defaults]\nfallback_codes = [3]", "defaults.fallback_codes = [3]: allowed is statuses"),
        (
            "[defaults]\nfallback_codes = '429'",
            "defaults.fallback_codes = '429': allowed is a list",
        ),
        (
            "[defaults]\nfallback_models = ['']",
            "defaults.fallback_models[1] = '': allowed is a text",
        ),
        (
            "[defaults]\nfallbacks = [{url = 'sk-secret'}]",
            "defaults.fallbacks = […]: allowed is in entry 1 only target-url, headers",
        ),
        ("[defaults]\ntarget_url = 'x'", "defaults.target_url = 'x': allowed is https://host"),
        (
            "[defaults]\ncache_pace = 'fast'",
            "defaults.cache_pace = 'fast': allowed is 'at_once' or",
        ),
        ("[[rule]]\nmodl = 'x'", "rule[1].modl is not known; here may stand cache, "),
        ("[[rule]]\n[[rule]]\nmodel = 3", "rule[2].model = 3: allowed is a pattern"),
        ("[[rule]]\nmodel = []", "rule[1].model = []: allowed is a pattern"),
        ("[[rule]]\nproperty.a = ''", "rule[1].property.a = '': allowed is a pattern"),
        (
            "[[rule]]\nproperty = {a = 'x', A = 'y'}",
            "rule[1].property = {'a': ",
        ),
        ("rule = 3", "rule = 3: allowed is a list of tables"),
        ("[otlp]\nendpoint = 'there'", "otlp.endpoint = 'there': allowed is an address such as"),
        ("[otlp]\nheaders = {key = 3}", "otlp.headers.key = …: allowed is a valid string"),
        ("port = ", "is no TOML"),
    ],
)
def test_an_error_names_file_key_value_and_what_is_allowed(
    home: Home, text: str, said: str
) -> None:
    write(home, text)
    with pytest.raises(SettingsError) as error:
        load(home, {})
    assert str(error.value).startswith(f"{home.settings}: {said}")
    assert "\n" not in str(error.value)


def test_the_first_of_several_errors_says_how_many_more_there_are() -> None:
    with pytest.raises(SettingsError, match=r"\(and 1 more\)$"):
        parse(Path("settings.toml"), "[proxy]\nport = -1\nlisten = 3")


def test_a_file_that_cannot_be_read_is_an_error(home: Home) -> None:
    home.settings.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read"):
        load(home, {})


def test_a_variable_goes_before_the_file(home: Home) -> None:
    write(home, "[log]\nkeep_days = 30\n[proxy]\nport = 9000")
    environ = {
        "LLMITM_LOG_BODIES": "false",
        "LLMITM_PROXY_PORT": "9001",
        "LLMITM_PROXY_LISTEN": "0.0.0.0",
        "LLMITM_HOME": "/elsewhere",
    }
    settings = load(home, environ)
    assert not settings.log.bodies
    assert settings.log.keep_days == 30
    assert settings.proxy.port == 9001
    assert settings.proxy.listen == "0.0.0.0"


def test_an_error_names_the_variable(home: Home) -> None:
    with pytest.raises(SettingsError, match=r"^variable LLMITM_PROXY_PORT: proxy.port = 'x'"):
        load(home, {"LLMITM_PROXY_PORT": "x"})


def test_a_variable_sets_a_default(home: Home) -> None:
    write(home, "[defaults]\nretry = true\ncache_max_age = 60")
    environ = {
        "LLMITM_DEFAULTS_CACHE": "true",
        "LLMITM_DEFAULTS_CACHE_MAX_AGE": "1h",
        "LLMITM_DEFAULTS_FALLBACK_MODELS": '["a", "b/openai"]',
        "LLMITM_DEFAULTS_RATE_LIMIT": "100;w=60",
    }
    defaults = load(home, environ).defaults
    assert (defaults.cache, defaults.cache_max_age, defaults.retry) == (True, 3600, True)
    assert defaults.fallback_models == ("a", "b/openai")
    assert defaults.rate_limit is not None
    assert defaults.rate_limit.window == 60
    with pytest.raises(SettingsError, match=r"^variable LLMITM_DEFAULTS_RETRIES: defaults.retries"):
        load(home, {"LLMITM_DEFAULTS_RETRIES": "many"})


def test_keys_and_the_gateway(home: Home) -> None:
    text = """
        [keys]
        openai = "sk-proj-secret"
        groq = { env = "MY_GROQ_KEY" }
        mine = "secret too"

        [gateway]
        allow = ["https://llm.example.com", "https://api.groq.com"]
        models = { "claude-*" = "gpt-4o-mini" }

        [[provider]]
        name = "mine"
        hosts = ["llm.mine.example"]
    """
    settings = parse(home.settings, text)
    assert settings.keys["openai"].read({}) == "sk-proj-secret"
    assert settings.keys["groq"].read({"MY_GROQ_KEY": "gsk"}) == "gsk"
    assert "secret" not in repr(settings)
    assert settings.gateway.models == {"claude-*": "gpt-4o-mini"}
    told = {"LLMITM_GATEWAY_ALLOW": '["https://llm.example.com"]'}
    assert [entry.name for entry in load(home, told).provider] == ["llm-example-com"]
    # What is allowed and not known is an LLM host from then on.
    assert [(entry.name, entry.hosts) for entry in settings.provider] == [
        ("mine", ("llm.mine.example",)),
        ("llm-example-com", ("https://llm.example.com",)),
    ]
