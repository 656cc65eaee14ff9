//! Runs its branch once per item of a list, so many times, or once (`LoopInstruction.ts` of
//! `plugin-workflow-loop`).
//!
//! The result `{looped, done}` counts the rounds that have ended or were skipped, and those that were
//! accepted; `broken` and `exceeded` tell why a loop ended early.

use std::sync::Arc;

use async_trait::async_trait;
use entity::status::job::{ERROR, PENDING, RESOLVED};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::task::coop::consume_budget;

use super::calculation::library_of;
use super::{Context, Draft, Example, JobId, Node, NodeIndex, NodeType, Outcome, Render};
use crate::expr::evaluator::Criterion;
use crate::expr::{Live, Object, Template, Thrown, Value, json};
use crate::script::Library;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Loop {
    /// A list, a number of rounds, or anything else for one round; none for null.
    target: Template,
    /// Decides before a round whether it is run; `false` for no condition.
    condition: Condition,
    /// What a failing round does: 0 fails the loop, 1 ends it as resolved, 2 goes on.
    exit: Value,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Condition {
    Set(Box<RoundCondition>),
    Other(IgnoredAny),
}

impl Default for Condition {
    fn default() -> Self {
        Condition::Other(IgnoredAny)
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RoundCondition {
    #[serde(flatten)]
    criterion: Criterion,
    /// 1 skips the check before the first round.
    checkpoint: Value,
    /// Skips a round whose condition is false instead of ending the loop.
    continue_on_false: Value,
}

/// So many rounds are skipped before the processor gets to see whether the execution may go on.
const SKIPPED_AT_ONCE: usize = 100;

/// How far a loop has come.
#[derive(Clone, Copy, Default)]
struct Progress {
    looped: f64,
    done: f64,
}

/// What the condition says about the coming rounds.
enum Next {
    Run,
    Broken,
    /// All rounds that were left have been skipped.
    Over,
    /// Many rounds have been skipped and more are left: the processor is to look around first.
    Later,
}

#[async_trait]
impl Node for Loop {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let branch = first_branch(cx);
        let length = self.length(cx)?;
        let progress = Progress::default();
        let upstream = cx.input();
        let (Some(branch), true) = (branch, length > 0.0) else {
            return Ok(super::resolved(progress.result(None)));
        };
        let live = Arc::new(Live::new(progress.counts()));
        let result = Value::Live(live.clone());
        let job = cx.save(Draft { status: PENDING, result, upstream, ..Draft::default() });
        let checks_first = self.condition().filter(|condition| !condition.checkpoint.is_truthy());
        if let Some(condition) = checks_first {
            let mut progress = progress;
            match skip(cx, condition, &live, &mut progress, length).await? {
                Next::Run => {}
                Next::Broken => return Ok(settle(cx, job, RESOLVED, Some(progress.result(Some("broken"))))),
                Next::Over => return Ok(settle(cx, job, RESOLVED, None)),
                Next::Later => return Ok(Outcome::Again(job)),
            }
        }
        Ok(Outcome::Enter { branch, input: job })
    }

    async fn resume(&self, cx: &mut Context<'_>, branch_job: JobId) -> Result<Outcome, Thrown> {
        let job = cx.own_job()?;
        let branch_status = cx.job(branch_job).status;
        let is_over = cx.job(job).status != PENDING;
        if is_over || (branch_job != job && branch_status == PENDING) {
            return Ok(Outcome::Wait);
        }
        let live = live_result(cx, job);
        let mut progress = Progress::of(&cx.job(job).result);
        if branch_job == job {
            let length = self.length(cx)?;
            return self.go_on(cx, job, &live, progress, length).await;
        }
        progress.looped += 1.0;
        live.set(progress.counts());
        let length = self.length(cx)?;
        if branch_status != RESOLVED && !self.exits_by(2.0) {
            return Ok(match self.exit.is_truthy() {
                true => settle(cx, job, RESOLVED, Some(progress.result(Some("broken")))),
                false => settle(cx, job, branch_status, Some(progress.result(None))),
            });
        }
        progress.done += 1.0;
        live.set(progress.counts());
        self.go_on(cx, job, &live, progress, length).await
    }

    fn skips_rounds(&self) -> bool {
        self.condition().is_some()
    }

    fn library(&self) -> Option<Library> {
        self.condition()?.criterion.engine().and_then(library_of)
    }

    fn scope(&self, render: Render<'_>, result: &Value) -> Result<Option<Value>, Thrown> {
        let target = render(&self.target)?;
        let length = length_of(&target)?;
        let index = Progress::of(result).looped;
        let item = match &target {
            Value::Number(_) => Value::Number(index),
            Value::Array(array, _) => array.present_item(index as usize).cloned().unwrap_or_default(),
            target if index == 0.0 && !target.is_nullish() => target.clone(),
            _ => Value::Undefined,
        };
        Ok(Some(Value::object([
            ("item", item),
            ("index", Value::Number(index)),
            ("sequence", Value::Number(index + 1.0)),
            ("length", Value::Number(length)),
        ])))
    }
}

impl Loop {
    /// The round that comes next, after one that was accepted or many that were skipped.
    async fn go_on(
        &self,
        cx: &mut Context<'_>,
        job: JobId,
        live: &Arc<Live>,
        mut progress: Progress,
        length: f64,
    ) -> Result<Outcome, Thrown> {
        // Rounds that are skipped count, too: nothing else would end a loop over a number that skips all of them.
        let is_endless =
            cx.host().loop_limit().is_none() && progress.looped >= cx.host().number_loop_limit() as f64;
        if is_endless && progress.looped < length && self.is_over_number(cx)? {
            return Ok(settle(cx, job, ERROR, Some(progress.result(Some("exceeded")))));
        }
        if let Some(condition) = self.condition() {
            match skip(cx, condition, live, &mut progress, length).await? {
                Next::Run | Next::Over => {}
                Next::Later => return Ok(Outcome::Again(job)),
                Next::Broken => return Ok(settle(cx, job, RESOLVED, Some(progress.result(Some("broken"))))),
            }
        }
        cx.run().set_result(job, Value::Live(live.clone()));
        cx.run().save_again(job);
        if progress.looped >= length {
            return Ok(settle(cx, job, RESOLVED, None));
        }
        match (cx.host().loop_limit(), first_branch(cx)) {
            (Some(limit), _) if progress.done >= limit as f64 => {
                Ok(settle(cx, job, ERROR, Some(progress.result(Some("exceeded")))))
            }
            (_, Some(branch)) => Ok(Outcome::Enter { branch, input: job }),
            (_, None) => Err(Thrown::error("the loop has lost its branch")),
        }
    }

    /// Whether the target of this configuration, as JSON, is a variable of the execution's context.
    pub fn takes_rounds_from_event(config: &str) -> bool {
        let target = json::parse(config.as_bytes()).unwrap_or_default().member("target");
        target.as_str().is_some_and(|target| target.contains("{{") && target.contains("$context"))
    }

    fn condition(&self) -> Option<&RoundCondition> {
        match &self.condition {
            Condition::Set(condition) if condition.criterion.is_set() => Some(condition),
            _ => None,
        }
    }

    fn exits_by(&self, exit: f64) -> bool {
        self.exit.as_number() == Some(exit)
    }

    fn is_over_number(&self, cx: &Context<'_>) -> Result<bool, Thrown> {
        Ok(matches!(cx.render(&self.target)?, Value::Number(_)))
    }

    fn length(&self, cx: &Context<'_>) -> Result<f64, Thrown> {
        length_of(&cx.render(&self.target)?)
    }
}

impl Progress {
    fn of(result: &Value) -> Self {
        let count = |name| result.member(name).as_number().unwrap_or_default();
        Self { looped: count("looped"), done: count("done") }
    }

    fn counts(self) -> Object {
        [("looped", Value::Number(self.looped)), ("done", Value::Number(self.done))].into_iter().collect()
    }

    fn result(self, flag: Option<&str>) -> Value {
        let mut object = self.counts();
        if let Some(flag) = flag {
            object.insert(flag, Value::Bool(true));
        }
        Value::from(object)
    }
}

/// Moves past the rounds whose condition is false, as far as the configuration allows.
async fn skip(
    cx: &mut Context<'_>,
    condition: &RoundCondition,
    live: &Live,
    progress: &mut Progress,
    length: f64,
) -> Result<Next, Thrown> {
    let scripts = cx.scripts();
    let is_first = progress.done == 0.0 && progress.looped == 0.0;
    for _ in 0..SKIPPED_AT_ONCE {
        // Where nothing else is done between rounds other tasks would have to wait for all of them.
        consume_budget().await;
        if progress.looped >= length {
            return Ok(Next::Over);
        }
        let scope = cx.scope_with_own()?;
        if condition.criterion.evaluate(&scope, &*scripts).await?.is_truthy() {
            return Ok(Next::Run);
        }
        let goes_on = condition.continue_on_false.is_truthy();
        // Before the first round NocoBase counts a round that ends the loop, later it does not.
        if goes_on || is_first {
            progress.looped += 1.0;
            live.set(progress.counts());
        }
        if !goes_on {
            return Ok(Next::Broken);
        }
    }
    Ok(Next::Later)
}

fn first_branch(cx: &Context<'_>) -> Option<NodeIndex> {
    cx.branches().first().map(|(_, node)| *node)
}

/// The counters of the loop's job, which the variables of other nodes may share.
fn live_result(cx: &mut Context<'_>, job: JobId) -> Arc<Live> {
    if let Value::Live(live) = &cx.job(job).result {
        return live.clone();
    }
    // The job was read back from the database: from now on its counters are shared again.
    let live = Arc::new(Live::new(Progress::of(&cx.job(job).result).counts()));
    cx.run().share_result(job, live.clone());
    live
}

fn settle(cx: &mut Context<'_>, job: JobId, status: i32, result: Option<Value>) -> Outcome {
    cx.run().set_status(job, status);
    if let Some(result) = result {
        cx.run().set_result(job, result);
    }
    Outcome::Continue(job)
}

/// How many rounds a target asks for.
fn length_of(target: &Value) -> Result<f64, Thrown> {
    match target {
        Value::Number(number) if *number < 0.0 => {
            Err(Thrown::error("Loop target in number type must be greater than 0"))
        }
        Value::Number(number) => Ok(number.floor()),
        Value::Array(array, _) => Ok(array.items().len() as f64),
        target => Ok(if target.is_nullish() { 0.0 } else { 1.0 }),
    }
}

impl NodeType for Loop {
    const TYPE: &'static str = "loop";
    const ABOUT: &'static str = "Runs its branch for each item of a list, or a number of times.";

    fn examples() -> Vec<Example> {
        vec![Example {
            about: "A loop without a branch has nothing to do",
            config: r#"{"target": "{{$context.body.items}}"}"#,
            context: r#"{"body": {"items": [1, 2]}}"#,
            status: RESOLVED,
            result: r#"{"looped":0,"done":0}"#,
        }]
    }
}
