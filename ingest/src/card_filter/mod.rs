//! Card data that customers type: masked before anything is sealed, so that it never reaches the log.
//!
//! A card verification code must not be stored after the authorization, not even encrypted; destroying a
//! key later is no answer. So every text a party typed passes through here before it may be sealed, and
//! [`Masked`] is the only form that sealing takes.
//!
//! Masked are
//!
//! * card numbers: 13 to 19 digits that pass the Luhn check, with or without separators, in the digits of
//!   any script, spelled digit by digit in English, German, French or Spanish;
//! * verification codes: every group of three or four digits in a text that names such a code (in some
//!   twenty languages) or holds a card number, or that follows such a text in the same conversation.
//!
//! It is not a proof that a text holds no card data. Not recognized are numbers spread over several
//! messages, numbers with a wrong digit, letters in place of digits (`O` for `0`), and codes of which
//! nothing in the conversation says what they are. What it masks too much (about one in ten order numbers
//! of 13 to 19 digits) is the price.

mod atoms;
mod code;
mod number;

use std::fmt;

use atoms::Text;
use zeroize::Zeroizing;

/// Lines after the one that named a code in which a bare code is still expected.
const CODE_EXPECTED_LINES: u8 = 3;

/// A text without the card data that was recognized in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Masked(String);

impl Masked {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Masked({} bytes)", self.0.len())
    }
}

/// Masks one text by itself.
#[must_use]
pub fn mask(text: String) -> Masked {
    masked(text, false).0
}

/// Masks the lines of one conversation, each in the light of those before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    expected: u8,
}

impl Watch {
    /// A line of somebody else, or one of earlier: if it names a verification code, one may follow.
    pub fn heard(&mut self, text: &str) {
        if code::is_named(text) {
            self.expected = CODE_EXPECTED_LINES;
        }
    }

    /// Masks the customer's next line.
    pub fn mask(&mut self, text: String) -> Masked {
        let (masked, about_a_card) = masked(text, self.expected > 0);
        self.expected =
            if about_a_card { CODE_EXPECTED_LINES } else { self.expected.saturating_sub(1) };
        masked
    }
}

/// The text without card data, and whether it named a code or held a card number.
fn masked(text: String, code_expected: bool) -> (Masked, bool) {
    let own = Zeroizing::new(text);
    let mut text = Text::of(&own);
    let numbers = number::mark(&mut text);
    let about_a_card = numbers || code::is_named(&own);
    let codes = (about_a_card || code_expected) && code::mark(&mut text);
    if numbers {
        metrics::counter!("ledgerline_card_data_masked_total", "what" => "number").increment(1);
    }
    if codes {
        metrics::counter!("ledgerline_card_data_masked_total", "what" => "code").increment(1);
    }
    (Masked(text.masked()), about_a_card)
}

#[cfg(test)]
mod tests;
