//! The memory that requests may take: a budget in bytes, and the share of it that one request holds for as long as
//! its body, or the context made of it, is in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A single request gets at most this part of the budget, so that others are served beside it.
const LARGEST_SHARE: usize = 2;

/// What all requests together may take. It bounds bodies on their way in and the contexts of executions that are in
/// memory, not what nodes make of them.
#[derive(Debug)]
pub struct Memory {
    limit: usize,
    used: AtomicUsize,
}

/// What one request holds; given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    memory: Arc<Memory>,
    bytes: AtomicUsize,
}

/// Why a share cannot grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Others hold the memory now.
    Now,
    /// The request would take more than any may have.
    Ever,
}

impl Memory {
    /// A budget of so many bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0) })
    }

    /// How many bytes are held at the moment.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// A share of nothing so far.
    pub fn share(self: &Arc<Self>) -> Share {
        Share { memory: self.clone(), bytes: AtomicUsize::new(0) }
    }
}

impl Share {
    /// Takes so many bytes more, or nothing.
    pub fn grow(&self, bytes: usize) -> Result<(), Shortage> {
        let Memory { limit, used } = &*self.memory;
        if self.bytes.load(Ordering::Relaxed).saturating_add(bytes) > limit / LARGEST_SHARE {
            return Err(Shortage::Ever);
        }
        let take = |used: usize| used.checked_add(bytes).filter(|used| used <= limit);
        used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map_err(|_| Shortage::Now)?;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

impl Share {
    /// Gives back what exceeds so many bytes.
    pub fn shrink_to(&self, bytes: usize) {
        let before = self.bytes.fetch_min(bytes, Ordering::Relaxed);
        self.memory.used.fetch_sub(before.saturating_sub(bytes), Ordering::Relaxed);
    }

    /// Gives so many bytes back.
    pub fn give_back(&self, bytes: usize) {
        self.shrink_to(self.bytes.load(Ordering::Relaxed).saturating_sub(bytes));
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_given_out_until_the_budget_is_used_up_and_come_back() {
        let memory = Memory::new(100);
        let (first, second, third) = (memory.share(), memory.share(), memory.share());
        assert_eq!([first.grow(30), first.grow(20), second.grow(40)], [Ok(()); 3]);
        assert_eq!((third.grow(20), memory.used()), (Err(Shortage::Now), 90));
        drop(first);
        assert_eq!((third.grow(20), memory.used()), (Ok(()), 60));
        third.shrink_to(5);
        third.shrink_to(9);
        assert_eq!(memory.used(), 45);
        third.give_back(2);
        assert_eq!(memory.used(), 43);
        third.give_back(9);
        assert_eq!(memory.used(), 40);
        drop((second, third));
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn no_request_gets_more_than_its_part() {
        let memory = Memory::new(100);
        let share = memory.share();
        assert_eq!(
            (share.grow(51), share.grow(50), share.grow(1)),
            (Err(Shortage::Ever), Ok(()), Err(Shortage::Ever))
        );
        assert_eq!(share.grow(usize::MAX), Err(Shortage::Ever));
        assert_eq!(memory.used(), 50);
    }
}
