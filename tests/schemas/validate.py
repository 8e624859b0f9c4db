"""Called by tests/schemas/run: the work of it, with xmllint as the validator."""

import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree

PACKAGES, SAMPLES = map(pathlib.Path, sys.argv[1:3])
SOAP_BODY = "{http://schemas.xmlsoap.org/soap/envelope/}Body"
XS_SCHEMA = "{http://www.w3.org/2001/XMLSchema}schema"
DOMAIN = "urn:riv:strategicresourcemanagement:persons:person"
SCRATCH = pathlib.Path(tempfile.mkdtemp(prefix="pu-schemas-"))

problems = []
counts = {"schemas": 0, "embedded schemas": 0, "samples": 0, "refusals": 0}


def check(what, schema, message, valid=True, reason=""):
    """Validates a message and notes a problem unless the verdict is the expected one. A refusal
    must be xmllint's code for an invalid message, not a schema that fails to load, and must name
    the reason."""
    command = ["xmllint", "--nonet", "--noout", "--schema", str(schema), str(message)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    as_expected = run.returncode == 0 if valid else run.returncode == 3 and reason in run.stderr
    if not as_expected:
        problems.append(f"{what}: xmllint says {run.returncode}\n{run.stderr[:800]}")


def scratch(name, text):
    path = SCRATCH / name
    path.write_text(text, encoding="utf-8")
    return path


def compiles(what, schema):
    """xmllint compiles a schema only together with a message. An unknown root is then its only
    complaint; a broken schema ends with another code."""
    check(what, schema, scratch("unknown.xml", "<unknown/>"), valid=False, reason="unknown")


def body(sample):
    """The first child of a message's body, as a document of its own."""
    root = tree.parse(sample).getroot()
    return tree.tostring(root.find(SOAP_BODY)[0], encoding="unicode")


def responder(text):
    """The Responder schemas of a message, by the namespace of its root element: one in each package
    that has the contract."""
    contract, major = re.search(re.escape(DOMAIN) + r":(\w+)Responder:(\d)", text).groups()
    found = list(PACKAGES.glob(f"*/schemas/interactions/{contract}Interaction/{contract}Responder_{major}.*.xsd"))
    if not found:
        problems.append(f"no Responder schema for {contract}/{major}")
    return found


def refuse(name, sample, change, reason):
    """A sample with a fault put in must differ from it and be refused for that reason."""
    text = body(SAMPLES / sample)
    broken = change(text)
    if broken == text:
        problems.append(f"{name}: the sample was not changed")
    for schema in responder(text):
        check(name, schema, scratch("broken.xml", broken), valid=False, reason=reason)
        counts["refusals"] += 1


def swap(text, first, second):
    """Exchanges two neighbouring elements."""
    pattern = rf"(<\w+:{first}>[^<]*</\w+:{first}>)(\s*)(<\w+:{second}>[^<]*</\w+:{second}>)"
    return re.sub(pattern, r"\3\2\1", text)


def prefix_of(text, namespace):
    """The prefix that a document gives a namespace."""
    return re.search(rf'xmlns:(\w+)="{re.escape(namespace)}"', text).group(1)


def into_core(text, name, extension):
    """Moves an extension element of version 3 to the core namespace."""
    core, other = prefix_of(text, f"{DOMAIN}:3"), prefix_of(text, f"{DOMAIN}:{extension}")
    return re.sub(rf"(</?){other}:{name}>", rf"\1{core}:{name}>", text)


def children_into_core(text):
    """Moves what is in `multimedia` to the core namespace."""
    prefix = prefix_of(text, f"{DOMAIN}:GetFilesForOrderIdResponder:4")
    text = text.replace(f"xmlns:{prefix}=", f'xmlns:core="{DOMAIN}:5" xmlns:{prefix}=', 1)
    return re.sub(rf"(</?){prefix}:(id|mediaType|value|reference)>", r"\1core:\2>", text)


for schema in sorted(PACKAGES.glob("*/schemas/*/**/*.xsd")):
    compiles(schema.name, schema)
    counts["schemas"] += 1

for wsdl in sorted(PACKAGES.glob("*/schemas/interactions/*/*.wsdl")):
    for embedded in tree.parse(wsdl).getroot().iter(XS_SCHEMA):
        text = tree.tostring(embedded, encoding="unicode")
        text = re.sub(r'schemaLocation="', f'schemaLocation="{wsdl.parent.as_uri()}/', text)
        compiles(wsdl.name, scratch("embedded.xsd", text))
        counts["embedded schemas"] += 1

for sample in sorted(SAMPLES.glob("v*/*.xml")):
    text = body(sample)
    for schema in responder(text):
        check(f"{sample.name} by {schema.name}", schema, scratch("body.xml", text))
        counts["samples"] += 1

refuse(
    "a contact record in the order of version 4",
    "v5/GetPersonContactInformation-response.xml",
    lambda text: swap(text, "protectedPopulationRecord", "optoutPaperNotification"),
    "protectedPopulationRecord",
)
refuse(
    "a result without its capital letter",
    "v5/UpdatePersonContactInformationUnrestricted-response.xml",
    lambda text: text.replace(
        "UpdatePersonContactInformationUnrestrictedResult",
        "updatePersonContactInformationUnrestrictedResult",
    ),
    "updatePersonContactInformationUnrestrictedResult",
)
refuse(
    "files whose elements are core elements",
    "v5/GetFilesForOrderId-response.xml",
    children_into_core,
    "mediaType",
)
for element, extension in [
    ("UUID", "3.2"),
    ("countryCode", "3.3"),
    ("protectedPopulationRecord", "3.1"),
]:
    refuse(
        f"{element} of {extension} as a core element",
        "v3/GetPersonsForProfile-3.3-inferred-response.xml",
        lambda text, element=element, extension=extension: into_core(text, element, extension),
        element,
    )

# Every package must be there, and samples must be found: nothing to check is not a success.
for what, least in [("schemas", 55), ("embedded schemas", 42), ("samples", 51), ("refusals", 6)]:
    if counts[what] < least:
        problems.append(f"only {counts[what]} of {least} {what}")

print(", ".join(f"{number} {what}" for what, number in counts.items()))
for problem in problems:
    print(f"PROBLEM {problem}", file=sys.stderr)
sys.exit(1 if problems else 0)
