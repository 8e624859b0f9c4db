"""Called by tests/schemas/answers: the work of it, with xmllint as the validator."""

import collections
import http.client
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import urllib.parse

PACKAGES, GOLDEN = map(pathlib.Path, sys.argv[1:3])
SCRATCH = pathlib.Path(os.environ["SERVED_SCRATCH"]) / "answers"
REQUESTS = int(os.environ.get("ANSWERS_REQUESTS", "300"))
SEARCHES = REQUESTS // 3
SEED = int(os.environ.get("ANSWERS_SEED", str(random.SystemRandom().randrange(10**6))))
DOMAIN = "urn:riv:strategicresourcemanagement:persons:person"
PATH = "/vp/strategicresourcemanagement/persons/person"
ADDRESS = "SE165565594230-1000"
# Persons that are drawn from a large register.
DRAWN = 2000

dice = random.Random(SEED)
problems = []
# Files to validate, by their Responder schema.
waiting = collections.defaultdict(list)
counts = collections.Counter()


def wait(name, answer):
    """Sets the body's child aside for the validator. The namespaces are declared on it."""
    body = re.search(r"<soapenv:Body>(.*)</soapenv:Body>", answer, re.DOTALL).group(1)
    contract, major = re.search(rf"{DOMAIN}:(\w+)Responder:(\d)", body).groups()
    pattern = f"*/schemas/interactions/{contract}Interaction/{contract}Responder_{major}.*.xsd"
    schemas = list(PACKAGES.glob(pattern))
    if not schemas:
        problems.append(f"{name}: no Responder schema for {contract}/{major}")
    path = SCRATCH / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body.strip(), encoding="utf-8")
    for schema in schemas:
        waiting[schema].append(path)


def validate():
    """One xmllint for each schema, over all its files."""
    for schema, paths in sorted(waiting.items()):
        command = ["xmllint", "--nonet", "--noout", "--schema", schema, *paths]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        valid = sum(line.endswith(" validates") for line in run.stderr.splitlines())
        if run.returncode != 0 or valid != len(paths):
            wrong = [line for line in run.stderr.splitlines() if not line.endswith(" validates")]
            said = "\n".join(wrong[:12])
            problems.append(f"{schema.name}: xmllint says {run.returncode}\n{said}")
        counts["validations"] += valid


def identities():
    """Some of the register's persons, and somebody who is in none."""
    drawn = []
    with open(os.environ["SERVED_PERSONS"], encoding="utf-8") as persons:
        for number, line in enumerate(persons):
            identity = json.loads(line).get("personalIdentity")
            if identity is None:
                continue
            if len(drawn) < DRAWN:
                drawn.append(identity)
            elif (place := dice.randrange(number)) < DRAWN:
                drawn[place] = identity
    stranger = {"root": "1.2.752.129.2.1.3.1", "extension": "191212121212"}
    return [*drawn, stranger]


def request(contract, major, asked):
    """A request in its envelope."""
    ids = "".join(
        f"<r:personId><p:root>{it['root']}</p:root>"
        f"<p:extension>{it['extension']}</p:extension></r:personId>"
        for it in asked
    )
    profile = f"P{dice.randint(1, 5)}"
    ignore = dice.choice(["true", "false", "1", "0"])
    return (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header>'
        f'<l:LogicalAddress xmlns:l="urn:riv:itintegration:registry:1">{ADDRESS}'
        f'</l:LogicalAddress></s:Header><s:Body><r:{contract} xmlns:p="{DOMAIN}:{major}" '
        f'xmlns:r="{DOMAIN}:{contract}Responder:{major}">{ids}<r:profile>{profile}</r:profile>'
        f"<r:ignoreReferredIdentity>{ignore}</r:ignoreReferredIdentity></r:{contract}>"
        "</s:Body></s:Envelope>"
    )


def ask():
    """Random requests to every version."""
    everybody = identities()
    host = urllib.parse.urlsplit(os.environ["SERVED_URL"]).netloc
    service = http.client.HTTPConnection(host, timeout=20)
    for major in (3, 4, 5):
        for number in range(REQUESTS):
            contract = "GetPersonsForProfile" + dice.choice(["", "Unrestricted"])
            asked = [dice.choice(everybody) for _ in range(dice.randint(1, 20))]
            body = request(contract, major, asked).encode()
            path = f"{PATH}/{contract}/{major}/rivtabp21"
            service.request("POST", path, body, {"Content-Type": "text/xml; charset=UTF-8"})
            response = service.getresponse()
            answer = response.read().decode()
            records = answer.count("<r:requestedPersonRecord>")
            if response.status != 200 or records != len(asked):
                problems.append(f"v{major} {number}: HTTP {response.status}, {records} records")
                continue
            counts["records"] += answer.count("<p:personRecord>")
            counts["answers"] += 1
            wait(f"v{major}/{contract}-{number}.xml", answer)


def search():
    """Searches in every version: for somebody, by identity or in a part of a family name."""
    everybody = identities()
    host = urllib.parse.urlsplit(os.environ["SERVED_URL"]).netloc
    service = http.client.HTTPConnection(host, timeout=20)
    for major in (3, 4, 5):
        for number in range(SEARCHES):
            contract = "SearchPersonsForProfile" + dice.choice(["", "Unrestricted"])
            some = [dice.choice(everybody)["extension"] for _ in range(dice.randint(1, 5))]
            listed = ", ".join(f"'{it}'" for it in some)
            query = f"FROM PersonRecord WHERE personalIdentity.extension IN ({listed})"
            body = (
                '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header>'
                f'<l:LogicalAddress xmlns:l="urn:riv:itintegration:registry:1">{ADDRESS}'
                f'</l:LogicalAddress></s:Header><s:Body><r:{contract} '
                f'xmlns:r="{DOMAIN}:{contract}Responder:{major}"><r:query>{query}</r:query>'
                "<r:queryLanguage>SimpleQL</r:queryLanguage>"
                f"<r:profile>P{dice.randint(1, 5)}</r:profile></r:{contract}></s:Body></s:Envelope>"
            )
            path = f"{PATH}/{contract}/{major}/rivtabp21"
            service.request("POST", path, body.encode(), {"Content-Type": "text/xml; charset=UTF-8"})
            response = service.getresponse()
            answer = response.read().decode()
            if response.status != 200:
                problems.append(f"search v{major} {number}: HTTP {response.status}")
                continue
            counts["hits"] += answer.count("<r:personRecord>")
            counts["searches"] += 1
            wait(f"v{major}/{contract}-{number}.xml", answer)


for golden in sorted(GOLDEN.glob("v*/*.xml")):
    wait(f"golden/{golden.parent.name}/{golden.name}", golden.read_text(encoding="utf-8"))
    counts["goldens"] += 1
ask()
search()
validate()

# Nothing to check is not a success.
for what, least in [("goldens", 21), ("answers", 3 * REQUESTS), ("records", REQUESTS),
                    ("searches", 3 * SEARCHES), ("hits", SEARCHES)]:
    if counts[what] < least:
        problems.append(f"only {counts[what]} of {least} {what}")

print(f"seed {SEED}:", ", ".join(f"{number} {what}" for what, number in counts.items()))
for problem in problems:
    print(f"PROBLEM {problem}", file=sys.stderr)
sys.exit(1 if problems else 0)
