"""zeep, a Python SOAP stack, against a live server at PU_URL: clients built from `?wsdl` as zeep's
users build them, and checks on the objects they hand back. Called by tests/clients/run."""

import collections
import datetime
import http.client
import os
import sys

import zeep
import zeep.exceptions

PATH = "/vp/strategicresourcemanagement/persons/person"
ADDRESS = "SE165565594230-1000"
PNR, SNR = "1.2.752.129.2.1.3.1", "1.2.752.129.2.1.3.3"
NRID, LRID = "1.2.752.74.9.1", "1.2.752.113.11.0.2.1.1.1"
EVERYTHING, SPOUSE = (PNR, "198001022386"), (PNR, "198101012386")
COORDINATED = (SNR, "191405722396")
PROTECTED, PROTECTED_RECORD = (PNR, "197501079292"), (PNR, "198501012382")
RESERVE, RESERVE_OF_PROTECTED = (NRID, "22790814AA01"), (LRID, "19810829M071")
DEAD, STRANGER = (PNR, "194101012393"), (PNR, "191212121212")
PLAIN = "GetPersonsForProfile"
UNRESTRICTED = "GetPersonsForProfileUnrestricted"

# Contracts and their majors: 35 endpoints.
ENDPOINTS = {
    ENDPOINTS_HERE
}

checks = collections.Counter()
area = ""


def equal(got, wanted, what):
    """Counts a check, or ends the test."""
    checks[area] += 1
    if got != wanted:
        sys.exit(f"zeep: {area}: {what}: got {got!r}, wanted {wanted!r}")
