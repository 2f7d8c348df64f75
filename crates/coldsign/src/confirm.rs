//! Asking the person at the machine. They have read the summary; what they type says that they mean this bundle.

use std::io::{self, BufRead, Read, Write};

use crate::error::ColdsignError;

/// Asks on a terminal. Without one there is nobody to ask, and silence is no consent.
pub(crate) fn ask(
    code: &str,
    is_terminal: bool,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> Result<(), ColdsignError> {
    if !is_terminal {
        return Err(ColdsignError::NobodyToAsk);
    }
    let mut answer = String::new();
    write!(output, "Sign all of this? Type the code, or yes: ")
        .and_then(|()| output.flush())
        .and_then(|()| input.by_ref().take(256).read_line(&mut answer))
        .map_err(|source: io::Error| ColdsignError::Read {
            path: "the terminal".into(),
            source,
        })?;
    if agrees(&answer, code) {
        Ok(())
    } else {
        Err(ColdsignError::NotConfirmed)
    }
}

/// `yes`, or the code with or without its spaces.
fn agrees(answer: &str, code: &str) -> bool {
    let bare = |text: &str| {
        text.split_whitespace()
            .collect::<String>()
            .to_ascii_lowercase()
    };
    let answer = bare(answer);
    answer == "yes" || answer == bare(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(answer: &str, is_terminal: bool) -> Result<(), ColdsignError> {
        ask(
            "1a2b 3c4d",
            is_terminal,
            &mut answer.as_bytes(),
            &mut Vec::new(),
        )
    }

    #[test]
    fn only_yes_or_the_code_is_consent() {
        for yes in ["yes\n", "YES", "1a2b 3c4d\n", "1A2B3C4D\n"] {
            assert!(asked(yes, true).is_ok(), "{yes}");
        }
        for no in [
            "",
            "\n",
            "y\n",
            "no\n",
            "1a2b\n",
            "1a2b 3c4e\n",
            "yes yes\n",
        ] {
            assert!(
                matches!(asked(no, true), Err(ColdsignError::NotConfirmed)),
                "{no}"
            );
        }
    }

    #[test]
    fn without_a_terminal_nobody_is_asked() {
        assert!(matches!(
            asked("yes\n", false),
            Err(ColdsignError::NobodyToAsk)
        ));
    }
}
