//! What a caller is told of a wish that was not granted: the `resultText` of the updating contracts,
//! shown to users. The wording is fixed, Swedish, and holds nothing of what was sent.

use super::fault::reason;
use crate::base::limits;
use crate::person::field::Field;
use crate::person::identity::IdentityError;
use crate::person::record::EncodeError;
use crate::person::value::ValueError;
use crate::register::refusal::{Refusal, Wrong};

/// The text for a refusal.
pub fn text(refusal: Refusal) -> String {
    let text = match refusal {
        Refusal::NoActor => "Den som gör ändringen (actor/id) måste anges.",
        Refusal::NoOrganization => {
            "Den organisation som ansvarar för uppgifterna \
             (actor/professional/organizationId) måste anges."
        }
        Refusal::TimeTold => "Tidpunkten (actor/updateTime) sätts av tjänsten och får inte anges.",
        Refusal::Identity(element, error) => {
            return format!("Identiteten i {element} {}.", of_identity(error));
        }
        Refusal::Unseen(element) => {
            return format!(
                "Uppgiften {element} {}.",
                reason(ValueError::UnseenCharacter)
            );
        }
        Refusal::Unknown(element) => {
            return format!("Identiteten i {element} finns inte i registret.");
        }
        Refusal::Value(field, wrong) => {
            return format!("Uppgiften {} {}.", element(field), of_value(wrong));
        }
        Refusal::StaleVersion => {
            "Uppgifterna har ändrats sedan de hämtades. Hämta dem på nytt och gör om ändringen."
        }
        Refusal::MissingVersion => {
            "Personen har redan kontaktuppgifter. Hämta dem och ange deras version \
             (versionToUpdate)."
        }
        Refusal::VersionOfNobody => {
            "En version (versionToUpdate) får inte anges för en ny identitet."
        }
        Refusal::NotReserve => {
            "Bara reservidentiteter kan ändras så här. Uppgifter om personnummer och \
             samordningsnummer kommer från Skatteverket."
        }
        Refusal::NotIssued => {
            "Den nationella reservidentiteten finns inte i registret. Utelämna personId för att \
             skapa en ny."
        }
        Refusal::CheckCharacter => "Reservidentiteten har fel kontrolltecken.",
        Refusal::SeriesUsedUp => {
            "Det finns inga lediga nationella reservidentiteter för födelsedatumet och könet."
        }
        Refusal::Count => {
            return format!(
                "Mellan 1 och {} reservidentiteter kan skapas åt gången.",
                limits::RESERVE_IDENTITIES_PER_REQUEST
            );
        }
        Refusal::Protected => {
            "Personen har skyddade personuppgifter. Bara den som får se dem kan ändra dem."
        }
        Refusal::ProtectedLink => {
            "En av identiteterna hör till en person med skyddade personuppgifter. Bara den som får se \
             personen utan begränsning kan koppla eller koppla isär dem."
        }
        Refusal::NoDigitalWay => {
            "Pappersutskick kan väljas bort bara när minst en kontaktuppgift kan användas för \
             digitala aviseringar (digitalNotification)."
        }
        Refusal::SameIdentity => "De två identiteterna är en och samma.",
        Refusal::OnlySkatteverket => {
            "Bara Skatteverket kan koppla personnummer och samordningsnummer till varandra eller \
             skilja dem åt."
        }
        Refusal::Downwards => {
            "Identiteten kan inte kopplas till en identitet av lägre typ. Ordningen är lokal \
             reservidentitet, nationell reservidentitet, samordningsnummer, personnummer."
        }
        Refusal::BetweenLocal => {
            "Två lokala reservidentiteter kan inte kopplas till varandra. Koppla båda till en \
             nationell reservidentitet."
        }
        Refusal::AlreadyLinked => "Identiteterna är redan kopplade till varandra.",
        Refusal::NotLinked => "Identiteterna är inte kopplade till varandra.",
        Refusal::LongChain => {
            "Kopplingen kan inte göras: personen skulle få fler kopplade identiteter än vad som är \
             tillåtet."
        }
        Refusal::EndlessChain => "Personen har för många kopplade identiteter.",
        Refusal::Record(EncodeError::Missing(field)) => {
            return format!("Uppgiften {} saknas.", element(field));
        }
        Refusal::Record(EncodeError::TooManyEntries(field)) => {
            return format!(
                "Uppgiften {} finns fler än {} gånger.",
                element(field),
                limits::GROUP_ITEMS
            );
        }
        Refusal::Record(EncodeError::TooLarge) => "Uppgifterna om personen är för omfattande.",
        // Told as a fault, because the caller did nothing wrong.
        Refusal::Damaged(_) | Refusal::Record(EncodeError::Damaged(_)) => {
            "Ett tekniskt fel har inträffat."
        }
    };
    text.to_owned()
}

/// A field's path as it stands in the messages.
fn element(field: Field) -> String {
    let path = field.path();
    path.strip_prefix("addressInformation/")
        .unwrap_or(&path)
        .to_owned()
}

const fn of_identity(error: IdentityError) -> &'static str {
    match error {
        IdentityError::UnknownRoot => "har en okänd identitetstyp (root)",
        _ => "följer inte formatet för sin identitetstyp",
    }
}

fn of_value(wrong: Wrong) -> String {
    let text = match wrong {
        Wrong::Type(why) => return reason(why),
        Wrong::Identity(error) => of_identity(error),
        Wrong::Missing => "saknas",
        Wrong::NotACode => "har ett värde som inte finns i kodlistan",
        Wrong::NotACountryCode => "ska vara en landskod med två versaler",
        Wrong::NotACountry => "ska vara ett lands namn, skrivet som i Skatteverkets lista",
        Wrong::NotAUuid => "ska vara ett UUID",
        Wrong::InTheFuture => "ligger i framtiden",
        Wrong::BeforeBirth => "ligger före födelsen",
        Wrong::NotAnLmaNumber => "ska vara ett LMA-nummer i formen NN-NNNNNN",
        Wrong::NotANumber => "ska vara ett telefonnummer i internationell form (E.164)",
        Wrong::NotAnEmail => "ska vara en e-postadress",
        Wrong::NoEnds => "ska ha ett startdatum eller ett slutdatum",
        Wrong::EndsBeforeStart => "slutar innan den börjar",
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::record::Damaged;

    /// One of every refusal.
    fn all() -> Vec<Refusal> {
        let field = Field::at("addressInformation/addressAbroad/countryCode");
        let wrongs = [
            Wrong::Type(ValueError::NotADate),
            Wrong::Type(ValueError::UnseenCharacter),
            Wrong::Identity(IdentityError::UnknownRoot),
            Wrong::Identity(IdentityError::Malformed),
            Wrong::Missing,
            Wrong::NotACode,
            Wrong::NotACountryCode,
            Wrong::NotACountry,
            Wrong::NotAUuid,
            Wrong::InTheFuture,
            Wrong::BeforeBirth,
            Wrong::NotAnLmaNumber,
            Wrong::NotANumber,
            Wrong::NotAnEmail,
            Wrong::NoEnds,
            Wrong::EndsBeforeStart,
        ];
        let mut all = vec![
            Refusal::NoActor,
            Refusal::NoOrganization,
            Refusal::TimeTold,
            Refusal::Identity("toIdentity", IdentityError::UnknownRoot),
            Refusal::Identity("toIdentity", IdentityError::Malformed),
            Refusal::Unseen("actor/id"),
            Refusal::Unknown("personId"),
            Refusal::StaleVersion,
            Refusal::MissingVersion,
            Refusal::VersionOfNobody,
            Refusal::NotReserve,
            Refusal::NotIssued,
            Refusal::CheckCharacter,
            Refusal::SeriesUsedUp,
            Refusal::Count,
            Refusal::Protected,
            Refusal::ProtectedLink,
            Refusal::NoDigitalWay,
            Refusal::SameIdentity,
            Refusal::OnlySkatteverket,
            Refusal::Downwards,
            Refusal::BetweenLocal,
            Refusal::AlreadyLinked,
            Refusal::NotLinked,
            Refusal::LongChain,
            Refusal::EndlessChain,
            Refusal::Record(EncodeError::Missing(Field::at("gender"))),
            Refusal::Record(EncodeError::TooManyEntries(field)),
            Refusal::Record(EncodeError::TooLarge),
            Refusal::Damaged(Damaged),
        ];
        all.extend(wrongs.map(|wrong| Refusal::Value(field, wrong)));
        all
    }

    #[test]
    fn every_refusal_has_a_sentence_of_its_own() {
        let texts: std::collections::HashSet<String> = all().into_iter().map(text).collect();
        assert_eq!(texts.len(), all().len());
        for text in texts {
            let first = text.chars().next().unwrap();
            assert!(first.is_uppercase() && text.ends_with('.'), "{text}");
            assert!(!text.contains("  ") && !text.contains("addressInformation"));
        }
    }

    #[test]
    fn values_are_named_as_the_message_names_them() {
        let field = Field::at("addressInformation/addressAbroad/countryCode");
        assert_eq!(
            text(Refusal::Value(field, Wrong::NotACountry)),
            "Uppgiften addressAbroad/countryCode ska vara ett lands namn, skrivet som i \
             Skatteverkets lista."
        );
    }
}
