//! The word that was probably meant, for "did you mean".

/// The candidate that is closest to `word`, if any is close enough to be suggested.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let word = &simplified(word);
    let tolerance = (word.chars().count() / 3).max(1);
    let close = candidates
        .clone()
        .into_iter()
        .map(|candidate| (distance(word, &simplified(candidate)), candidate))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance);
    match close {
        Some((_, candidate)) => Some(candidate),
        None => only_one_containing(word, candidates),
    }
}

/// `` `a`, `b`, `c` ``
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// `RestartSignal` and `restartsignal` are `restart_signal`.
fn simplified(word: &str) -> String {
    word.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

/// People shorten (`addr`) and generalise (`timeout`): that helps only if one candidate fits.
fn only_one_containing<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if word.len() < SHORTEST_PART {
        return None;
    }
    let containing: Vec<&str> =
        candidates.into_iter().filter(|candidate| simplified(candidate).contains(word)).collect();
    let shortest = containing.iter().min_by_key(|candidate| candidate.len())?;
    // `address` stands for `addresses` too.
    containing.iter().all(|candidate| candidate.contains(shortest)).then_some(*shortest)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (i, a) in from.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, &b) in to.iter().enumerate() {
            let mut cost = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if j > 0 && previous == Some(b) && to[j - 1] == a {
                cost = cost.min(before_last[j - 1] + 1);
            }
            row.push(cost);
        }
        before_last = std::mem::replace(&mut last, row);
        previous = Some(a);
    }
    last[to.len()]
}

/// Shorter parts are found in too many words to mean one of them.
const SHORTEST_PART: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (from, to, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("adress", "address", 1),
            ("fecther", "fetcher", 1),
            ("interval", "header", 7),
            ("a", "b", 1),
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn suggestions() {
        let keys =
            ["address", "addresses", "fetcher", "terminate_timeout", "ready_timeout", "debug"];
        for (word, expected) in [
            ("adress", Some("address")),
            ("addr", Some("address")),
            ("Fetcher", Some("fetcher")),
            ("TerminateTimeout", Some("terminate_timeout")),
            ("timeout", None),
            ("terminate", Some("terminate_timeout")),
            ("colour", None),
            ("", None),
            ("d", None),
        ] {
            assert_eq!(nearest(word, keys), expected, "{word}");
        }
    }
}
