//! What goes wrong inside: a panic, a damaged row. Both are an answer, the same on both ways, and the
//! connection goes on.

use super::ways::{Event, Fault};
use super::{Ways, bytes};

#[tokio::test]
async fn a_panic_is_an_answer() {
    is_answered(Fault::Panic).await;
}

#[tokio::test]
async fn a_damaged_row_is_an_answer_that_tells_nothing_of_it() {
    is_answered(Fault::Damage).await;
}

async fn is_answered(fault: Fault) {
    let mut ways = Ways::new().await;
    let plain = bytes(&ways.plain());
    for before in [vec![], vec![plain.clone()]] {
        let after = [Event::Fault(fault), plain.clone(), plain.clone()];
        let outcome = ways.same(&[before.clone(), after.to_vec()].concat()).await;
        let answers = outcome.answers[0].match_indices("HTTP/1.1 ");
        let statuses: Vec<&str> =
            answers.map(|(at, begin)| &outcome.answers[0][at + begin.len()..][..3]).collect();
        let mut expected = vec!["200"; before.len()];
        expected.extend(["500", "200"]);
        assert_eq!(statuses, expected, "{outcome:?}");
        assert!(!outcome.answers[0].contains("grants"), "{outcome:?}");
        assert!(!outcome.is_closed);
    }
    ways.end();
}
