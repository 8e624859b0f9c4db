<?php
// PHP's SoapClient against a live server at SERVED_URL: a client built from `?wsdl`, as its users
// build one. Called by tests/clients/run.
const PATH = "/vp/strategicresourcemanagement/persons/person/GetPersonsForProfile";
const REGISTRY = "urn:riv:itintegration:registry:1";
const PNR = "1.2.752.129.2.1.3.1";

function equal($got, $wanted): void
{
    if ($got !== $wanted) {
        fwrite(STDERR, "PHP: got " . var_export($got, true) . ", wanted " . var_export($wanted, true) . "\n");
        exit(1);
    }
}

function ask(int $major, string $extension, string $profile, string $what): object
{
    $url = getenv("SERVED_URL") . PATH . "/$major/rivtabp21";
    $client = new SoapClient("$url?$what", ["cache_wsdl" => WSDL_CACHE_NONE, "features" => SOAP_SINGLE_ELEMENT_ARRAYS]);
    $client->__setSoapHeaders(new SoapHeader(REGISTRY, "LogicalAddress", "SE165565594230-1000"));
    $answer = $client->GetPersonsForProfile([
        "personId" => [["root" => PNR, "extension" => $extension]],
        "profile" => $profile,
        "ignoreReferredIdentity" => false,
    ]);
    return $answer->requestedPersonRecord[0]->personRecord;
}

echo "PHP ", PHP_VERSION, "\n";
foreach ([3, 4, 5] as $major) {
    foreach (["wsdl", "singleWsdl"] as $what) {
        $person = ask($major, "198001022386", "P3", $what);
        equal($major < 5 ? $person->name->surname->name : $person->name->surname, "von Åkeräng & <Söner>");
        equal($person->personalIdentity->extension, "198001022386");
    }
    try {
        ask($major, "198001022386", "P6", "wsdl");
        equal("an answer", "a fault");
    } catch (SoapFault $fault) {
        equal($fault->faultcode, "soapenv:Client");
        equal($fault->getMessage(), "Profilen är reserverad. Använd P1, P2, P3, P4 eller P5.");
    }
    echo "  GetPersonsForProfile $major\n";
}
