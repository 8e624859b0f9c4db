"""A client that a generator made of the description, used against the service it describes.

    generated.py URL CLIENT

URL is a served fixture register, CLIENT the folder of the generated package. Exits with 1 at the
first answer that the client does not understand.
"""

import importlib
import pathlib
import sys

base, folder = sys.argv[1:]
folder = pathlib.Path(folder)
sys.path.insert(0, str(folder.parent))
package = folder.name


def part(name):
    return importlib.import_module(f"{package}.{name}")


models = part("models")
client = part("client").Client(base_url=base)
PERSON = "198001022386"


def expect(condition, what):
    if not condition:
        sys.exit(f"the generated client: {what}")


get_person = part("api.default.get_person")
record = get_person.sync(PERSON, client=client)
expect(isinstance(record, models.PersonRecordType), "a person is no record")
expect(record.personal_identity.extension == PERSON, "somebody else")
expect(record.name.surname, "no surname")

unknown = get_person.sync_detailed("199301012382", client=client)
expect(unknown.status_code == 404, "an unknown person is not 404")
expect(isinstance(unknown.parsed, models.Problem), "a problem is none")
expect(unknown.parsed.detail, "a problem without its text")

get_persons = part("api.default.get_persons")
request = models.PersonsRequest(identities=[PERSON, "199301012382"])
answer = get_persons.sync(client=client, body=request)
expect(isinstance(answer, models.PersonsAnswer), "persons are no answer")
records = [it.person_record for it in answer.requested_person_record]
expect(len(records) == 2 and records[0].name.surname == record.name.surname, "other persons")

search = part("api.default.search")
found = search.sync(client=client, identity=PERSON)
expect(isinstance(found, models.SearchAnswer) and found.count == 1, "a search finds nobody")
print("a generated client reads one, several, a search and a problem")
