// gSOAP, a C++ SOAP stack, against a live server: code generated from `?wsdl`, a few persons asked
// for, and checks on the objects that come back. Called by tests/clients/run, which compiles it once
// for each version with -DVERSION; the generated namespaces have the prefixes of typemap.dat.
//
//   gsoap_client URL

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "GetPersonsForProfileResponderBinding.nsmap"
#include "soapGetPersonsForProfileResponderBindingProxy.h"

using Proxy = GetPersonsForProfileResponderBindingProxy;
using Id = std::pair<const char *, const char *>;

static const char *const PNR = "1.2.752.129.2.1.3.1";
static const char *const SNR = "1.2.752.129.2.1.3.3";
static int checks = 0;

// Counts a check, or ends the test.
static void check(bool right, const char *what) {
    ++checks;
    if (!right) {
        std::fprintf(stderr, "gSOAP: version %d: %s\n", VERSION, what);
        std::exit(1);
    }
}

static bool is(const std::string *text, const char *wanted) { return text && *text == wanted; }

// Before version 5, some values stand in an element of their own inside a wrapper.
#if VERSION < 5
static const std::string *plain(const core__NamePartType *part) { return part ? &part->name : nullptr; }
static bool is(const core__CitizenshipCountryCodeType *code, const char *wanted) {
    return code && is(code->countryCode, wanted);
}
#else
static const std::string *plain(const std::string *part) { return part; }
#endif

// What version 3 added stands in namespaces of its own.
#if VERSION == 3
#define ADDED(prefix, name) prefix##__##name
#else
#define ADDED(prefix, name) name
#endif

// Asks for persons; the caller owns nothing, the proxy does.
static int ask(Proxy &proxy, const std::vector<Id> &ids, call__GetPersonsForProfileResponseType &answer) {
    call__GetPersonsForProfileType request;
    std::vector<core__IIType> identities(ids.size());
    std::vector<std::string> extensions(ids.size());
    for (size_t at = 0; at < ids.size(); ++at) {
        extensions[at] = ids[at].second;
        identities[at].root = ids[at].first;
        identities[at].extension = &extensions[at];
        request.personId.push_back(&identities[at]);
    }
    request.profile = core__LookupProfileType__P5;
    request.ignoreReferredIdentity = true;
    std::string address = "SE165565594230-1000";
    proxy.soap_header(&address);
    return proxy.GetPersonsForProfile(&request, answer);
}

int main(int count, char **arguments) {
    if (count != 2) {
        std::fprintf(stderr, "usage: gsoap_client URL\n");
        return 2;
    }
    // Strict: an element that is missing, twice or unknown ends the call. Texts are UTF-8.
    Proxy proxy(arguments[1], SOAP_C_UTFSTRING | SOAP_XML_STRICT);
    call__GetPersonsForProfileResponseType answer;
    const std::vector<Id> ids = {
        {PNR, "198001022386"}, {SNR, "191405722396"}, {PNR, "197501079292"},
        {PNR, "198501012382"}, {PNR, "191212121212"}, {PNR, "194101012393"},
    };
    if (ask(proxy, ids, answer) != SOAP_OK) {
        proxy.soap_stream_fault(std::cerr);
        return 1;
    }
    const auto &rows = answer.requestedPersonRecord;
    check(rows.size() == ids.size(), "one row an identity");
    for (size_t at = 0; at < rows.size(); ++at) {
        check(is(rows[at]->requestedPersonalIdentity->extension, ids[at].second), "rows in order");
        check((rows[at]->personRecord == nullptr) == (at == 4), "all found but the stranger");
    }

    const auto *full = rows[0]->personRecord;
    check(is(plain(full->name->givenName), "Hedvig Britt-Marie"), "given name");
    check(is(plain(full->name->middleName), "Łukasz-Özil"), "middle name");
    check(is(plain(full->name->surname), "von Åkeräng & <Söner>"), "surname");
#if VERSION < 5
    check(full->name->surname->attested && *full->name->surname->attested, "the surname's mark");
#endif
    check(!full->protectedPersonIndicator && full->primaryIdentity, "booleans");
    check(full->birth->dateOfBirth->value == "1980-01-02", "date of birth");
    check(full->birth->dateOfBirth->format == core__DateTypeFormatType__YYYY_MM_DD, "its format");
    const auto *record = full->populationRegistrationRecord;
    const auto &past = record->historicalRecords->populationRegistrationLocality;
    check(past.size() == 2 && past[1]->populationRegistrationDate->value == "1999", "history");
    const auto *address = full->addressInformation;
    check(is(address->residentialAddress->city, "SUNDSVALL"), "address");
    check(address->ADDED(ext2, UUID) != nullptr, "UUID");
    check(is(address->ADDED(ext2, UUID)->propertyId, "909a6a63-2b6e-90ec-e040-ed8f66444c3f"), "its value");
    check(full->contactInformation.size() == 2, "ways to reach her");
    const auto *digital = full->contactInformation[0]->ADDED(ext1, digitalNotification);
    check(digital && *digital, "digitalNotification");
    check(full->citizenship.size() == 2 && is(full->citizenship[1]->citizenshipCountryCode, "PL"), "citizenship");
    const auto *shielded = full->ADDED(ext1, protectedPopulationRecord);
    check(shielded && !*shielded, "protectedPopulationRecord, false");

    const auto *coordinated = rows[1]->personRecord;
    check(is(plain(coordinated->name->surname), "Samordningsson"), "samordningsnummer");

    const auto *hidden = rows[2]->personRecord;
    check(hidden->protectedPersonIndicator, "protected");
    check(is(plain(hidden->name->surname), "Testsson"), "a protected person's name");
    check(!hidden->addressInformation || !hidden->addressInformation->residentialAddress, "no address");
    check(hidden->contactInformation.empty() && hidden->relationship.empty(), "nothing else");

    const auto *unseen = rows[3]->personRecord;
    const auto *mark = unseen->ADDED(ext1, protectedPopulationRecord);
    check(mark && *mark, "protectedPopulationRecord, true");
    check(!unseen->addressInformation && !unseen->populationRegistrationLocality, "no place");

    const auto *dead = rows[5]->personRecord;
    const auto *found_dead = dead->deregistration->ADDED(ext1, foundDeadAtDate);
    check(found_dead && found_dead->value == "2019-02-14", "foundDeadAtDate");

    call__GetPersonsForProfileResponseType refused;
    check(ask(proxy, {{"1.2.3", "191212121212"}}, refused) != SOAP_OK, "an unknown root is refused");
    const char *said = proxy.soap_fault_string();
    check(said && std::string(said) == "Identitet nummer 1 i frågan har en okänd identitetstyp (root).", "the fault");

    std::printf("  version %d %4d checks   %s %s; %s %s, protected; %s unknown\n", VERSION, checks,
                plain(full->name->givenName)->c_str(), plain(full->name->surname)->c_str(),
                plain(hidden->name->givenName)->c_str(), plain(hidden->name->surname)->c_str(), ids[4].second);
    proxy.destroy();
    return 0;
}
