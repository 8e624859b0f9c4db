"""Every answer of the REST interface about the fixture's persons, held against the description.

    answers.py URL PERSONS

URL is a served fixture register, PERSONS its exchange file. Every person in every profile, one by
one, all in one request, and by search; then problems. Exits with 1 at the first that is not valid.
"""

import json
import sys
import urllib.error
import urllib.request

import jsonschema

base, persons = sys.argv[1:]


def fetch(path, body=None):
    request = urllib.request.Request(base + path, data=body and json.dumps(body).encode())
    if body:
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as answer:
        return json.load(answer)


description = fetch("/v1/openapi.json")
checked = 0


def validator(name):
    schema = {"$ref": f"#/components/schemas/{name}", "components": description["components"]}
    return jsonschema.Draft202012Validator(schema)


def valid(kind, value, about):
    global checked
    for error in kind.iter_errors(value):
        sys.exit(f"{about}: {error.message[:300]} at {error.json_path}")
    checked += 1


person, request, answer, problem = map(
    validator, ["PersonRecordType", "PersonsRequest", "PersonsAnswer", "Problem"]
)
search = validator("SearchAnswer")
history, change = map(validator, ["History", "Change"])
if person.is_valid({"name": {"surname": 7}}):
    sys.exit("the description allows anything")

with open(persons, encoding="utf-8") as lines:
    entries = [json.loads(line) for line in lines]
identities = [entry["personalIdentity"] for entry in entries if "personalIdentity" in entry]
if len(identities) < 10:
    sys.exit("too few persons to be a test")
unknown = {"root": "1.2.752.129.2.1.3.1", "extension": "191212121212"}
for profile in ["P1", "P2", "P3", "P4", "P5"]:
    for identity in identities:
        for own in ["true", "false"]:
            path = f"/v1/persons/{identity['extension']}?root={identity['root']}"
            path += f"&profile={profile}&ignore_referred_identity={own}"
            valid(person, fetch(path), f"a person in {profile}")
        path = f"/v1/search?identity={identity['extension']}&profile={profile}"
        valid(search, fetch(path), f"a search in {profile}")
    body = {
        "identities": [*identities, unknown, "191212121212"],
        "profile": profile,
        "ignore_referred_identity": True,
    }
    valid(request, body, "a request")
    valid(answer, fetch("/v1/persons", body), f"everybody in {profile}")
for identity in identities:
    told = fetch(f"/v1/persons/{identity['extension']}/history?root={identity['root']}")
    valid(problem if "status" in told else history, told, "a history")
with urllib.request.urlopen(base + "/v1/changes") as answer:
    for line in answer:
        valid(change, json.loads(line), "a change")
for path in ["/v1/changes?since=0", "/v1/changes?since=x", "/v1/persons/1", "/v1/persons/191212121212", "/v1/x", "/v1/search"]:
    valid(problem, fetch(path), path)
print(f"{checked} answers are as described")
