// node-soap against a live server at SERVED_URL: a client built from `?wsdl`, as its users build one.
// Called by tests/clients/run, with the folder where it is installed as NODE_PATH.
const assert = require("node:assert");
const soap = require("soap");

const PATH = "/vp/strategicresourcemanagement/persons/person/GetPersonsForProfile";
const REGISTRY = "urn:riv:itintegration:registry:1";
const PNR = "1.2.752.129.2.1.3.1";

async function ask(major, extension, profile, what) {
    const url = `${process.env.SERVED_URL}${PATH}/${major}/rivtabp21`;
    const client = await soap.createClientAsync(`${url}?${what}`);
    client.addSoapHeader({ LogicalAddress: "SE165565594230-1000" }, "", "itr", REGISTRY);
    const [answer] = await client.GetPersonsForProfileAsync({
        personId: [{ root: PNR, extension }],
        profile,
        ignoreReferredIdentity: false,
    });
    return answer.requestedPersonRecord[0].personRecord;
}

async function main() {
    for (const major of [3, 4, 5]) {
        for (const what of ["wsdl", "singleWsdl"]) {
            const person = await ask(major, "198001022386", "P3", what);
            const surname = major < 5 ? person.name.surname.name : person.name.surname;
            assert.strictEqual(surname, "von Åkeräng & <Söner>");
            assert.strictEqual(person.personalIdentity.extension, "198001022386");
        }
        await assert.rejects(ask(major, "198001022386", "P6", "wsdl"), (error) => {
            const fault = error.root.Envelope.Body.Fault;
            assert.strictEqual(fault.faultcode, "soapenv:Client");
            assert.strictEqual(fault.faultstring, "Profilen är reserverad. Använd P1, P2, P3, P4 eller P5.");
            return true;
        });
        console.log(`  GetPersonsForProfile ${major}`);
    }
}

console.log(`node-soap ${require("soap/package.json").version}`);
main().catch((error) => {
    console.error("node-soap:", error.message);
    process.exit(1);
});
