// gSOAP against the search of a live server: code generated from `?wsdl`, one search with a hit, one
// without, and a refusal. Called by tests/clients/run, once for each version with -DVERSION.
//
//   gsoap_search URL

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "SearchPersonsForProfileResponderBinding.nsmap"
#include "soapSearchPersonsForProfileResponderBindingProxy.h"

using Proxy = SearchPersonsForProfileResponderBindingProxy;

static int checks = 0;

// Counts a check, or ends the test.
static void check(bool right, const char *what) {
    ++checks;
    if (!right) {
        std::fprintf(stderr, "gSOAP: search, version %d: %s\n", VERSION, what);
        std::exit(1);
    }
}

static int ask(Proxy &proxy, const std::string &query, call__SearchPersonsForProfileResponseType &answer) {
    call__SearchPersonsForProfileType request;
    request.query = query;
    request.queryLanguage = "SimpleQL";
    request.profile = core__LookupProfileType__P3;
    std::string address = "SE165565594230-1000";
    proxy.soap_header(&address);
    return proxy.SearchPersonsForProfile(&request, answer);
}

static std::string by_identity(const char *identity) {
    return std::string("FROM PersonRecord WHERE personalIdentity.extension = '") + identity + "'";
}

int main(int count, char **arguments) {
    if (count != 2) {
        std::fprintf(stderr, "usage: gsoap_search URL\n");
        return 2;
    }
    // Strict: an element that is missing, twice or unknown ends the call. Texts are UTF-8.
    Proxy proxy(arguments[1], SOAP_C_UTFSTRING | SOAP_XML_STRICT);
    call__SearchPersonsForProfileResponseType answer;
    if (ask(proxy, by_identity("198001022386"), answer) != SOAP_OK) {
        proxy.soap_stream_fault(std::cerr);
        return 1;
    }
    check(answer.personRecord.size() == 1, "one hit");
    const auto *person = answer.personRecord[0];
    check(*person->personalIdentity->extension == "198001022386", "the identity");
    check(*person->addressInformation->residentialAddress->city == "SUNDSVALL", "the address");
    call__SearchPersonsForProfileResponseType nobody;
    check(ask(proxy, by_identity("191212121212"), nobody) == SOAP_OK, "nobody is an answer");
    check(nobody.personRecord.empty(), "and an empty one");
    call__SearchPersonsForProfileResponseType refused;
    check(ask(proxy, "FROM PersonRecord WHERE nowhere = 'x'", refused) != SOAP_OK, "a wrong query is refused");
    const char *said = proxy.soap_fault_string();
    check(said && *said, "the fault");
    std::printf("  search, version %d %4d checks\n", VERSION, checks);
    proxy.destroy();
    return 0;
}
