//! What there is instead of JavaScript in a build without the feature `js`: everything that needs it fails.

use async_trait::async_trait;

use super::{Library, Limits, Query, QueryFault, Script};
use crate::expr::evaluator::Evaluate;
use crate::expr::expression::Task;
use crate::expr::{Thrown, Value};

const ABSENT: &str = "this sidehook was built without JavaScript (the cargo feature js)";

/// Runs nothing.
pub struct Pool {
    limits: Limits,
}

impl Pool {
    pub fn new(limits: Limits) -> Self {
        Self { limits }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn warm_up(&self, _: Library) {}

    pub async fn query(&self, _: Query) -> Result<Value, QueryFault> {
        Err(Thrown::error(ABSENT).into())
    }

    pub async fn run(&self, _: Script) -> Result<Value, String> {
        Err(format!("Error: {ABSENT}"))
    }
}

#[async_trait]
impl Evaluate for Pool {
    async fn evaluate(&self, _: Task) -> Result<Value, Thrown> {
        Err(Thrown::error(ABSENT))
    }
}
