//! Verification codes: three or four digits, told only by what is said around them.

use std::ops::RangeInclusive;

use super::atoms::Text;

/// Digits of a verification code.
const DIGITS: RangeInclusive<usize> = 3..=4;

/// Abbreviations, found as words of their own (digits may touch them).
const ABBREVIATIONS: [&str; 14] = [
    "cvc", "cvv", "cvn", "csc", "cid", "cav", "cvd", "cve", "cvp", "kpn", "kkpz", "свв", "цвв",
    "свк",
];

/// What the code is called, in lower case; found anywhere.
const NAMES: [&str; 57] = [
    "security code",
    "security number",
    "security digits",
    "verification code",
    "verification value",
    "verification number",
    "card code",
    "signature panel",
    "back of the card",
    "back of my card",
    "back of your card",
    "on the back",
    "prüfziffer",
    "pruefziffer",
    "prüfnummer",
    "pruefnummer",
    "sicherheitscode",
    "sicherheitsnummer",
    "sicherheitszahl",
    "rückseite",
    "rueckseite",
    "cryptogramme",
    "code de sécurité",
    "code de securite",
    "code de vérification",
    "au dos de",
    "código de seguridad",
    "codigo de seguridad",
    "código de verificación",
    "codigo de verificacion",
    "número de seguridad",
    "reverso",
    "codice di sicurezza",
    "codice di verifica",
    "retro della carta",
    "código de segurança",
    "codigo de seguranca",
    "código de verificação",
    "beveiligingscode",
    "controlecode",
    "kod bezpieczeństwa",
    "kod bezpieczenstwa",
    "bezpečnostní kód",
    "bezpečnostný kód",
    "güvenlik kodu",
    "guvenlik kodu",
    "säkerhetskod",
    "sikkerhedskode",
    "sikkerhetskode",
    "turvakoodi",
    "turvaluku",
    "biztonsági kód",
    "cod de securitate",
    "код безопасности",
    "セキュリティコード",
    "安全码",
    "رمز الأمان",
];

/// Whether a text names a verification code.
pub(super) fn is_named(text: &str) -> bool {
    let lower = text.to_lowercase();
    // Dots and spaces between letters (`c. v. c.`) and after line breaks do not hide a name.
    let plain: String = lower.split_whitespace().collect::<Vec<_>>().join(" ");
    if NAMES.iter().any(|name| plain.contains(name)) {
        return true;
    }
    let tight: String =
        lower.chars().map(|letter| if letter.is_alphabetic() { letter } else { ' ' }).collect();
    let words: Vec<&str> = tight.split_whitespace().collect();
    let spelled = words.windows(3).any(|three| {
        three.iter().all(|word| word.chars().count() == 1)
            && ABBREVIATIONS.contains(&three.concat().as_str())
    });
    spelled || words.iter().any(|word| ABBREVIATIONS.contains(word))
}

/// Marks everything that may be a code; whether there was something.
pub(super) fn mark(text: &mut Text<'_>) -> bool {
    let mut found = Vec::new();
    for run in text.runs() {
        let groups = text.groups(run.clone());
        for group in &groups {
            if DIGITS.contains(&group.len()) {
                found.push(group.clone());
            }
        }
        // `1 2 3`, `1-2-3`, `one two three`, `12 3`: short groups that make a code together.
        for (index, first) in groups.iter().enumerate() {
            let mut last = index;
            while groups.get(last).is_some_and(|group| group.len() < *DIGITS.start()) {
                last += 1;
            }
            let begins = index == 0 || groups.get(index - 1).is_none_or(|it| it.len() > 2);
            let end = groups.get(last.saturating_sub(1)).map_or(first.end, |group| group.end);
            if begins && last > index && end - first.start >= *DIGITS.start() {
                found.push(first.start..end);
            }
        }
    }
    let mut any = false;
    for group in found {
        for atom in text.atoms.get_mut(group).unwrap_or_default() {
            any |= !atom.marked;
            atom.marked = true;
        }
    }
    any
}
