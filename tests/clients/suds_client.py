"""suds, another Python SOAP stack, against a live server at SERVED_URL: a client built from `?wsdl` as
its users build one. Called by tests/clients/run."""

import os
import sys

import suds
import suds.client
from suds.sax.element import Element

PATH = "/vp/strategicresourcemanagement/persons/person/GetPersonsForProfile"
REGISTRY = ("itr", "urn:riv:itintegration:registry:1")
PNR = "1.2.752.129.2.1.3.1"


def equal(got, wanted):
    """Compares, or ends the test."""
    if got != wanted:
        sys.exit(f"suds: got {got!r}, wanted {wanted!r}")


def ask(major, extension, profile, what="wsdl"):
    """Calls the operation; gives the record of one person."""
    url = f"{os.environ['SERVED_URL']}{PATH}/{major}/rivtabp21?{what}"
    client = suds.client.Client(url, cache=None)
    client.set_options(soapheaders=Element("LogicalAddress", ns=REGISTRY).setText("SE165565594230-1000"))
    whose = [{"root": PNR, "extension": extension}]
    rows = client.service.GetPersonsForProfile(whose, profile, False)
    row = rows[0] if isinstance(rows, list) else rows.requestedPersonRecord[0]
    return row.personRecord


print(f"suds {suds.__version__}")
for version in (3, 4, 5):
    for kind in ("wsdl", "singleWsdl"):
        person = ask(version, "198001022386", "P3", kind)
        surname = person.name.surname.name if version < 5 else person.name.surname
        equal(str(surname), "von Åkeräng & <Söner>")
        equal(str(person.personalIdentity.extension), "198001022386")
    try:
        ask(version, "198001022386", "P6")
    except suds.WebFault as fault:
        equal(str(fault.fault.faultcode), "soapenv:Client")
        equal(str(fault.fault.faultstring), "Profilen är reserverad. Använd P1, P2, P3, P4 eller P5.")
    else:
        equal("an answer", "a fault")
    print(f"  GetPersonsForProfile {version}")
