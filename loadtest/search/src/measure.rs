//! Rounds of all engines in turn, so that a slow minute of the machine is everybody's.

use std::time::{Duration, Instant};

use crate::Failure;
use crate::engine::{Answer, Engine, wanted};
use crate::question::{Ask, Kind, Question};

/// What one engine needed for one kind of question, in microseconds.
pub struct Measured {
    pub kind: Kind,
    pub engine: &'static str,
    /// Of each round, the median of its questions.
    pub medians: Vec<f64>,
    /// Of each round, the mean of its questions.
    pub means: Vec<f64>,
    /// Of each round, what 99 of 100 questions stayed below.
    pub tails: Vec<f64>,
    /// Questions asked in all rounds.
    pub asked: usize,
    /// Hits of the questions asked, on average.
    pub hits: f64,
    /// Bytes of whole records, on average.
    pub bytes: f64,
}

/// What bounds a measurement.
pub struct Bounds {
    pub rounds: usize,
    /// The longest that one engine may take for one kind in one round.
    pub turn: Duration,
}

/// Checks every engine's every answer to `questions`, then measures.
pub fn measure(
    kind: Kind,
    questions: &[Question],
    engines: &mut [&mut dyn Engine],
    bounds: &Bounds,
) -> Result<Vec<Measured>, Failure> {
    let mut taking: Vec<&mut &mut dyn Engine> =
        engines.iter_mut().filter(|it| it.takes(kind)).collect();
    agree(kind, questions, &mut taking, bounds)?;
    let mut measured: Vec<Measured> = taking
        .iter()
        .map(|engine| Measured {
            kind,
            engine: engine.name(),
            medians: Vec::new(),
            means: Vec::new(),
            tails: Vec::new(),
            asked: 0,
            hits: 0.0,
            bytes: 0.0,
        })
        .collect();
    let mut order: Vec<usize> = (0..taking.len()).collect();
    for round in 0..bounds.rounds {
        for &at in &order {
            // A slow engine does not get to all of them: each round begins elsewhere.
            let from = round * questions.len() / bounds.rounds;
            let asks = questions[from..].iter().chain(&questions[..from]);
            turn(
                kind,
                asks.map(|it| &it.ask),
                taking[at],
                bounds,
                &mut measured[at],
            )?;
        }
        // Nobody is always the one after the slowest.
        order.rotate_left(1.min(taking.len()));
    }
    for it in &mut measured {
        it.hits /= it.asked as f64;
        it.bytes /= it.asked as f64;
    }
    Ok(measured)
}

fn turn<'q>(
    kind: Kind,
    asks: impl Iterator<Item = &'q Ask>,
    engine: &mut &mut dyn Engine,
    bounds: &Bounds,
    measured: &mut Measured,
) -> Result<(), Failure> {
    let began = Instant::now();
    let mut times = Vec::new();
    for ask in asks {
        let asked = Instant::now();
        let answer = engine.answer(kind, ask)?;
        times.push(asked.elapsed().as_secs_f64() * 1e6);
        measured.hits += answer.count as f64;
        measured.bytes += answer.bytes as f64;
        if began.elapsed() > bounds.turn {
            break;
        }
    }
    measured.asked += times.len();
    times.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    measured.medians.push(at(0.5));
    measured.tails.push(at(0.99));
    measured
        .means
        .push(times.iter().sum::<f64>() / times.len() as f64);
    Ok(())
}

/// Every engine gives the right answer, or the run fails. Where no answer is known, those that mean
/// the same must agree. This also warms them.
fn agree(
    kind: Kind,
    questions: &[Question],
    engines: &mut [&mut &mut dyn Engine],
    bounds: &Bounds,
) -> Result<(), Failure> {
    let mut counts: Vec<Option<u64>> = vec![None; questions.len()];
    for engine in engines {
        let began = Instant::now();
        for (number, question) in questions.iter().enumerate() {
            let answer = engine.answer(kind, &question.ask)?;
            let mut wrong = differs(kind, question, &answer);
            if question.hits.is_none() && engine.is_literal(kind) {
                let count = *counts[number].get_or_insert(answer.count);
                wrong = (answer.count != count)
                    .then(|| format!("{} hits, another has {count}", answer.count));
            }
            if let Some(wrong) = wrong {
                return Err(format!(
                    "{}: {} is wrong about question {number} ({:?}): {wrong}",
                    kind.name(),
                    engine.name(),
                    question.ask
                )
                .into());
            }
            if began.elapsed() > 3 * bounds.turn {
                break;
            }
        }
    }
    Ok(())
}

/// What is wrong with an answer.
fn differs(kind: Kind, question: &Question, answer: &Answer) -> Option<String> {
    let Some(right) = &question.hits else {
        return None;
    };
    let count = match answer.listings {
        true => question.listings,
        false => right.len() as u64,
    };
    if answer.count != count {
        return Some(format!("{} hits instead of {count}", answer.count));
    }
    let mut found = answer.hits.clone();
    found.sort_unstable();
    found.dedup();
    if found.len() != answer.hits.len() {
        return Some("the same person twice".into());
    }
    if found.len() != right.len().min(wanted(kind)) {
        return Some(format!("{} identities", found.len()));
    }
    let strange = found
        .iter()
        .filter(|it| right.binary_search(it).is_err())
        .count();
    (strange > 0).then(|| format!("{strange} who are no hits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        Question {
            ask: Ask::Identity(1),
            hits: Some(vec![1, 2, 3]),
            listings: 4,
        }
    }

    fn answer(count: u64, hits: &[u64], listings: bool) -> Answer {
        Answer {
            count,
            hits: hits.to_vec(),
            listings,
            bytes: 0,
        }
    }

    #[test]
    fn only_the_right_hits_are_right() {
        let wrong = |answer| differs(Kind::NamePrefix, &question(), &answer).is_some();
        assert!(!wrong(answer(3, &[3, 1, 2], false)));
        assert!(!wrong(answer(4, &[3, 1, 2], true)));
        assert!(wrong(answer(4, &[3, 1, 2], false)));
        assert!(wrong(answer(3, &[3, 1, 4], false)));
        assert!(wrong(answer(3, &[3, 1], false)));
        assert!(wrong(answer(3, &[3, 1, 1], false)));
    }
}
