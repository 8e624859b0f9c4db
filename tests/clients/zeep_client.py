"""zeep, a Python SOAP stack, against a live server at SERVED_URL: clients built from `?wsdl` as zeep's
users build them, and checks on the objects they hand back. Called by tests/clients/run."""

import collections
import csv
import datetime
import os
import pathlib
import sys

import zeep
import zeep.exceptions

URL = os.environ["SERVED_URL"]
ENDPOINTS = pathlib.Path(__file__).parent.parent / "fixtures/contracts/endpoints.csv"
PATH = "/vp/strategicresourcemanagement/persons/person"
HEADER = {"LogicalAddress": "SE165565594230-1000"}
PNR, SNR = "1.2.752.129.2.1.3.1", "1.2.752.129.2.1.3.3"
NRID, LRID = "1.2.752.74.9.1", "1.2.752.113.11.0.2.1.1.1"
EVERYTHING, SPOUSE, COORDINATED = (PNR, "198001022386"), (PNR, "198101012386"), (SNR, "191405722396")
PROTECTED, PROTECTED_RECORD = (PNR, "197501079292"), (PNR, "198501012382")
RESERVE, RESERVE_OF_PROTECTED = (NRID, "22790814AA01"), (LRID, "19810829M071")
DEAD, STRANGER = (PNR, "194101012393"), (PNR, "191212121212")
PROFILES = ["P1", "P2", "P3", "P4", "P5"]
RESTRICTED, UNRESTRICTED = "GetPersonsForProfile", "GetPersonsForProfileUnrestricted"

checks = collections.Counter()
area = ""


def equal(got, wanted, what):
    """Counts a check, or ends the test."""
    checks[area] += 1
    if got != wanted:
        sys.exit(f"zeep: {area}: {what}: got {got!r}, wanted {wanted!r}")


class Service:
    """One endpoint through zeep."""

    def __init__(self, contract, major):
        self.contract, self.major = contract, major
        self.client = zeep.Client(f"{URL}{PATH}/{contract}/{major}/rivtabp21?wsdl")
        equal(self.client.settings.strict, True, "zeep reads strictly")

    def ask(self, identities, profile="P5", ignore=True, header=HEADER):
        """Calls the operation; gives the rows."""
        answer = self.client.service[self.contract](
            personId=[{"root": root, "extension": it} for root, it in identities],
            profile=profile,
            ignoreReferredIdentity=ignore,
            _soapheaders=header,
        )
        equal(answer._value_1, None, "nothing left over in the answer")
        rows = answer.requestedPersonRecord
        asked = [(it.requestedPersonalIdentity.root, it.requestedPersonalIdentity.extension) for it in rows]
        equal(asked, list(identities), "rows in the order asked")
        return rows

    def person(self, identity, profile="P5", ignore=True):
        """The record of one identity."""
        return self.ask([identity], profile, ignore)[0].personRecord

    def fault(self, text, **call):
        """A call that must be refused with this text."""
        try:
            self.ask(**call)
        except zeep.exceptions.Fault as fault:
            equal((fault.code, fault.message), ("soapenv:Client", text), "fault")
        else:
            equal(None, text, "fault")


class Search:
    """One search endpoint through zeep."""

    def __init__(self, contract, major):
        self.contract, self.major = contract, major
        self.client = zeep.Client(f"{URL}{PATH}/{contract}/{major}/rivtabp21?wsdl")

    def ask(self, query, profile="P5", language="SimpleQL"):
        """Calls the operation; gives the persons."""
        answer = self.client.service[self.contract](
            query=query, queryLanguage=language, profile=profile, _soapheaders=HEADER
        )
        # An answer without anything in it comes as nothing at all.
        if answer is None:
            return []
        if isinstance(answer, list):
            return answer
        equal(answer._value_1, None, "nothing left over in the answer")
        return answer.personRecord

    def fault(self, begins, query, **call):
        """A call that must be refused with a text that begins so."""
        try:
            self.ask(query, **call)
        except zeep.exceptions.Fault as fault:
            equal((fault.code, fault.message[: len(begins)]), ("soapenv:Client", begins), "fault")
        else:
            equal(None, begins, "fault")


def by_identity(identity):
    """A query for one identity."""
    return f"FROM PersonRecord WHERE personalIdentity.extension = '{identity[1]}'"


def searches(service):
    """One hit, none, protected persons, own records of linked identities, and refusals."""
    (person,) = service.ask(by_identity(EVERYTHING))
    equal(list(leftovers(person)), [], "no element without a place")
    equal(plain(service, person.name.surname, "name"), "von Åkeräng & <Söner>", "surname")
    equal(service.ask(by_identity(STRANGER)), [], "nobody")
    (reserve,) = service.ask(by_identity(RESERVE))
    equal(reserve.personalIdentity.extension, RESERVE[1], "its own record")
    linked = [it.referredPersonalIdentity.extension for it in reserve.linkedIdentity]
    equal(EVERYTHING[1] in linked, True, "its link")
    (hidden,) = service.ask(by_identity(PROTECTED))
    equal(hidden.protectedPersonIndicator, True, "protected")
    address = hidden.addressInformation and hidden.addressInformation.residentialAddress
    equal(address is not None, "Unrestricted" in service.contract, "a protected person's address")
    service.fault("Profilen är reserverad.", by_identity(EVERYTHING), profile="P6")
    service.fault("Frågespråket är okänt.", by_identity(EVERYTHING), language="SQL")
    service.fault("", "FROM PersonRecord WHERE nowhere = 'x'")


def call(contract, major, **message):
    """Calls an operation of a contract that changes the register, or that reads contact data; gives the
    one element of its answer."""
    client = zeep.Client(f"{URL}{PATH}/{contract}/{major}/rivtabp21?wsdl")
    answer = client.service[contract](_soapheaders=HEADER, **message)
    # An answer without anything in it comes as nothing at all.
    if answer is None:
        return None
    (name,) = [it for it in answer if it != "_value_1"]
    return answer[name]


def named(identity):
    """An identity as messages hold it."""
    return {"root": identity[0], "extension": identity[1]}


ACTOR = {
    "id": {"root": "1.2.752.29.6.2.1", "extension": "SE2321000016-1HZ3"},
    "professional": {"organizationId": {"root": "oid:2.5.4.97", "extension": "556559-4230"}},
}


def reserve_identities(major):
    """A new one, changed, and refused; gives it."""
    part = (lambda text: {"name": text}) if major < 5 else (lambda text: text)
    born = {"dateOfBirth": {"format": "YYYY-MM-DD", "value": "1987-06-05"}}
    result = call("UpdatePerson", major, actor=ACTOR, gender="2", birth=born, name={"surname": part("Ny & Åberg")})
    equal(result.result.resultCode, "OK", "issued")
    person = result.personRecord
    equal(list(leftovers(person)), [], "no element without a place")
    identity = (person.personalIdentity.root, person.personalIdentity.extension)
    # A register that does not know which numbers were issued before begins in a later series.
    century, day = identity[1][:2], identity[1][2:8]
    equal((identity[0], int(century) % 3, day), (NRID, 22 % 3, "870605"), "it tells the date of birth")
    abroad = {"postalAddress1": "VEJ 1", "countryCode": "Danmark"}
    # In version 3 an extension's element stands in a namespace of its own, which the schema names.
    changed = call(
        "UpdatePerson", major, actor=ACTOR, personId=named(identity), versionToUpdate=person.version,
        name={"surname": part("Ek")}, addressAbroad=abroad,
    )
    equal(changed.result.resultCode, "OK", "changed")
    record = changed.personRecord
    name = record.name.surname.name if major < 5 else record.name.surname
    equal((name, record.addressInformation.addressAbroad.countryCode), ("Ek", "Danmark"), "as it was sent")
    stale = call("UpdatePerson", major, actor=ACTOR, personId=named(identity), versionToUpdate=person.version)
    equal((stale.result.resultCode, stale.personRecord), ("ERROR", None), "an old version")
    equal(bool(stale.result.resultText), True, "with a text")
    other = call("UpdatePerson", major, actor=ACTOR, personId=named(STRANGER))
    equal(other.result.resultCode, "ERROR", "not a reserve identity")
    return identity


def contact_data(major, identity):
    """Read, replaced, read again, and refused."""
    def read(contract, whose):
        return call(contract, major, personId=named(whose))

    record = read("GetPersonContactInformation", identity)
    equal((record.version != "", record.contactInformation), (True, []), "nothing yet")
    ways = [
        {"contactType": "phone", "value": "+46701740605", "rank": 1},
        {"contactType": "email", "value": "ny@example.org", "rank": 2, "digitalNotification": True},
    ]
    update = dict(actor=ACTOR, personId=named(identity), versionToUpdate=record.version)
    result = call("UpdatePersonContactInformation", major, contactInformation=ways, optoutPaperNotification=True, **update)
    equal(result.result.resultCode, "OK", "replaced")
    record = read("GetPersonContactInformation", identity)
    equal([it.value for it in record.contactInformation], ["+46701740605", "ny@example.org"], "both ways")
    equal((record.optoutPaperNotification, record.contactInformation[1].digitalNotification), (True, True), "marks")
    equal(list(leftovers(record)), [], "no element without a place")
    protected = dict(actor=ACTOR, personId=named(PROTECTED), contactInformation=ways)
    refused = call("UpdatePersonContactInformation", major, **protected)
    equal((refused.result.resultCode, refused.contactInformationRecord), ("ERROR", None), "a protected person")
    flags = read("GetPersonContactInformation", PROTECTED)
    equal((flags.protectedPersonIndicator, flags.contactInformation), (True, []), "flags only")
    equal(read("GetPersonContactInformationUnrestricted", PROTECTED).contactInformation != [], True, "all of it")


def links(major, identity):
    """Linked, linked again, and parted."""
    ends = dict(fromIdentity=named(identity), toIdentity=named(SPOUSE))
    equal(call("LinkPersonIdentity", major, actor=ACTOR, **ends).resultCode, "OK", "linked")
    equal(call("LinkPersonIdentity", major, actor=ACTOR, **ends).resultCode, "ERROR", "linked already")
    main = Service(RESTRICTED, 5).person(identity, ignore=False)
    equal(main.personalIdentity.extension, SPOUSE[1], "the main identity")
    equal(main.linkedIdentity[-1].assuranceLevel, "level3", "assuranceLevel")
    parted = dict(unlinkFromIdentity=named(SPOUSE), unlinkIdentity=named(identity))
    equal(call("UnlinkPersonIdentity", major, actor=ACTOR, **parted).resultCode, "OK", "parted")
    equal(Service(RESTRICTED, 5).person(identity, ignore=False).primaryIdentity, True, "its own main identity")


def leftovers(it, path=""):
    """Elements that zeep found no place for, anywhere in an object."""
    if isinstance(it, list):
        for entry in it:
            yield from leftovers(entry, path)
    elif isinstance(it, zeep.xsd.CompoundValue):
        for name in it:
            if name in ("_value_1", "_raw_elements"):
                if it[name]:
                    yield f"{path}/{name}"
            else:
                yield from leftovers(it[name], f"{path}/{name}")


def plain(service, wrapped, name):
    """A value that has an element of its own inside a wrapper in version 3 and 4."""
    return wrapped[name] if service.major < 5 else wrapped


def one_who_has_everything(service):
    """Every kind of value, in every corner of the record."""
    person = service.person(EVERYTHING)
    equal(list(leftovers(person)), [], "no element without a place")
    name = person.name
    equal(plain(service, name.givenName, "name"), "Hedvig Britt-Marie", "given name")
    equal(plain(service, name.middleName, "name"), "Łukasz-Özil", "middle name")
    equal(plain(service, name.surname, "name"), "von Åkeräng & <Söner>", "surname")
    if service.major < 5:
        marks = (name.givenName.attested, name.middleName.attested, name.surname.attested)
        equal(marks, (True, False, True), "marks on names")
    equal(name.givenNameIndicator, 23, "a number")
    flags = (person.protectedPersonIndicator, person.testIndicator, person.primaryIdentity)
    equal(flags, (False, True, True), "booleans")
    equal(person.optoutPaperNotification, False, "optoutPaperNotification")
    equal(person.protectedPopulationRecord, False, "protectedPopulationRecord")
    birth = person.birth
    equal((birth.dateOfBirth.format, birth.dateOfBirth.value), ("YYYY-MM-DD", "1980-01-02"), "date of birth")
    equal(plain(service, birth.birthAbroad.placeOfBirthAbroad, "placeOfBirthAbroad"), "OSLO", "place of birth")
    came = person.immigration.immigrationDate
    equal((came.format, came.value), ("YYYY-MM", "1983-05"), "a partial date")
    address = person.addressInformation
    equal(address.residentialAddress.city, "SUNDSVALL", "address")
    equal(address.addressAbroad.countryCode, "DANMARK", "countryCode abroad")
    equal(address.UUID.propertyId, "909a6a63-2b6e-90ec-e040-ed8f66444c3f", "UUID")
    contact = person.contactInformation
    equal([it.digitalNotification for it in contact], [True, False], "digitalNotification")
    equal(contact[1].period.end, datetime.date(2030, 12, 31), "a date")
    countries = [plain(service, it.citizenshipCountryCode, "countryCode") for it in person.citizenship]
    equal(countries, ["NO", "PL"], "citizenship")
    equal([it.relationshipType for it in person.relationship], ["M", "FA", "VF"], "relations")
    dead = person.relationship[1].deregistration.foundDeadAtDate
    equal(dead.value, "1999-12-31", "a relation's foundDeadAtDate")
    record = person.populationRegistrationRecord
    moment = record.notificationCase.modificationTime
    summer = datetime.timezone(datetime.timedelta(hours=2))
    equal(moment, datetime.datetime(2024, 7, 27, 22, 10, 0, 250000, summer), "a moment")
    past = record.historicalRecords
    years = [it.populationRegistrationDate.value for it in past.populationRegistrationLocality]
    equal(years, ["2013-02-25", "1999"], "history")
    equal(past.historicalAddress.careOf, "ÖBERG", "the address before")
    if service.major == 5:
        since = past.populationRegistrationLocality[1].localRegistrationTime
        equal(since.date(), datetime.date(2019, 1, 16), "history's moment")


def others(service):
    """Found, unknown, linked, dead."""
    rows = service.ask([SPOUSE, STRANGER, COORDINATED])
    equal([row.personRecord is None for row in rows], [False, True, False], "unknown")
    equal(plain(service, rows[0].personRecord.name.surname, "name"), "Åkeräng", "surname")
    coordinated = rows[2].personRecord
    equal(plain(service, coordinated.name.givenName, "name"), "Sam", "samordningsnummer")
    if service.major == 5:
        equal(coordinated.personalIdentityStatus.identityStatus, "VILANDEFORKLARAT_STANGT", "status")
    equal(list(leftovers(coordinated)), [], "no element without a place")
    main = service.person(RESERVE, ignore=False)
    equal(main.personalIdentity.extension, EVERYTHING[1], "a linked identity's main identity")
    equal(main.linkedIdentity[0].referredPersonalIdentity.extension, RESERVE[1], "and its link")
    own = service.person(RESERVE)
    equal((own.personalIdentity.extension, own.primaryIdentity), (RESERVE[1], False), "its own record")
    equal(own.addressInformation.givenAddress.city, "KARLSTAD", "a given address")
    equal(own.confirmedIdentity[0].countryCode, "DK", "countryCode of a document")
    equal(own.attachment[0].mediaType, "image/png", "an attachment")
    equal(list(leftovers(own)), [], "no element without a place")
    dead = service.person(DEAD).deregistration
    equal((dead.deregistrationDate.value, dead.foundDeadAtDate.value), ("2019-02", "2019-02-14"), "dead")


def protection(service):
    """What each contract shows of protected persons."""
    unrestricted = service.contract == UNRESTRICTED
    for identity in (PROTECTED, PROTECTED_RECORD):
        person = service.person(identity)
        marks = (person.protectedPersonIndicator, person.protectedPopulationRecord)
        equal(marks, (identity == PROTECTED, identity == PROTECTED_RECORD), "the marks")
        equal(plain(service, person.name.surname, "name"), "Testsson", "the name")
        secret = person.addressInformation and person.addressInformation.specialPostalAddress
        equal(bool(secret), unrestricted, "the address")
        equal(bool(person.contactInformation), unrestricted, "ways to reach")
        equal(bool(person.relationship), unrestricted, "relations")
    linked = service.person(RESERVE_OF_PROTECTED)
    equal(bool(linked.addressInformation and linked.addressInformation.givenAddress), unrestricted, "a link lends")


def profiles(service):
    """Each profile holds what the one before holds."""
    known = set()
    for profile in PROFILES:
        person = service.person(EVERYTHING, profile)
        shown = {name for name in person if person[name] not in (None, [])}
        equal(known - shown, set(), f"{profile} holds what the profile before holds")
        known = shown
    equal("relationship" in known, True, "P5 has relations")
    equal(bool(service.person(EVERYTHING, "P1").relationship), False, "P1 has none")


def many(service):
    """As many identities as a request may hold, and one more."""
    few = [EVERYTHING, STRANGER, COORDINATED, RESERVE, DEAD]
    rows = service.ask(few * 100, "P3")
    equal(sum(row.personRecord is not None for row in rows), 400, "500 identities")
    service.fault("Högst 500 identiteter får anges i en fråga.", identities=few * 100 + few[:1])


def faults(service):
    """Refusals arrive as zeep's faults, with their text."""
    service.fault(
        "Identitet nummer 2 i frågan har en okänd identitetstyp (root).",
        identities=[EVERYTHING, ("1.2.3", "1")],
    )
    service.fault(
        "Identitet nummer 1 i frågan följer inte formatet för sin identitetstyp.",
        identities=[(PNR, "19121212-1212")],
    )
    service.fault("Profilen är reserverad. Använd P1, P2, P3, P4 eller P5.", identities=[DEAD], profile="P6")
    service.fault(
        "Den logiska adressen är okänd. Tjänsten har adressen SE165565594230-1000.",
        identities=[DEAD],
        header={"LogicalAddress": "SE0000000000-0000"},
    )


def descriptions():
    """Every endpoint's WSDL loads, and what is not served says so."""
    with open(ENDPOINTS, encoding="utf-8", newline="") as table:
        endpoints = list(csv.DictReader(table, delimiter=";"))
    equal(len(endpoints), 35, "endpoints")
    for endpoint in endpoints:
        client = zeep.Client(f"{URL}{endpoint['path']}?wsdl")
        (service,) = client.wsdl.services.values()
        (port,) = service.ports.values()
        operations = port.binding._operations
        equal(list(operations), [endpoint["contract"]], "the operation")
        operation = operations[endpoint["contract"]]
        equal(operation.soapaction, endpoint["action"], "its action")
        equal(port.binding_options["address"], URL + endpoint["path"], "its address")
        # Reading the signatures resolves every type of both messages.
        equal("LogicalAddress" in operation.input.signature(), True, "its header")
        equal(operation.output.signature() != "", True, "its answer")
    order = zeep.Client(f"{URL}{PATH}/GetFilesForOrderId/4/rivtabp21?wsdl").service
    try:
        order.GetFilesForOrderId(orderId="0a56cb2d-1f4e-4c0a-9d7e-6c1e2f3a4b5c", _soapheaders=HEADER)
    except zeep.exceptions.Fault as fault:
        said = (fault.code, fault.message)
        equal(said, ("soapenv:Server", "Tjänstekontraktet är ännu inte infört i denna tjänst."), "not served")
    else:
        equal(None, "a fault", "not served")


print(f"zeep {zeep.__version__}")
area = "descriptions"
descriptions()
print(f"  35 descriptions {checks[area]:15} checks")
for contract in (RESTRICTED, UNRESTRICTED):
    for major in (3, 4, 5):
        area = f"{contract} {major}"
        service = Service(contract, major)
        for part in (one_who_has_everything, others, protection, profiles, many, faults):
            part(service)
        print(f"  {area:<34}{checks[area]:4} checks")
for contract in ("SearchPersonsForProfile", "SearchPersonsForProfileUnrestricted"):
    for major in (3, 4, 5):
        area = f"{contract} {major}"
        searches(Search(contract, major))
        print(f"  {area:<39}{checks[area]:4} checks")
for major in (3, 4, 5):
    area = f"UpdatePerson {major}"
    issued = reserve_identities(major)
    print(f"  {area:<34}{checks[area]:4} checks")
    if major < 5:
        area = f"contact data and links {major}"
        contact_data(major, issued)
        links(major, issued)
        print(f"  {area:<34}{checks[area]:4} checks")
