//! Threads that run JavaScript, each with a state of its own that stays warm: so many at a time, with a limit
//! of time for each piece of work. It knows nothing of JavaScript itself.
//!
//! A thread cannot be stopped from outside. Work looks at its [`Watch`]; work that does not (a built-in of the
//! engine that runs for minutes) is given up: its caller is answered, and another thread does its thread's part until
//! that one comes back. At most so many threads are given up at a time; beyond that, the crew is smaller until one of
//! them is free.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

/// How long work may go on after its limit before its thread is given up.
const GRACE: Duration = Duration::from_secs(2);
/// How long work may take before its limit begins to count: a thread that has to load libraries first.
const PREPARATION: Duration = Duration::from_secs(60);
/// How long a caller waits for a free thread.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a caller and a thread look out for each other before they sleep: waking one takes longer than most work.
const LOOKOUT: Duration = Duration::from_micros(100);

/// The state of a thread.
pub(super) trait Worker: Sized + 'static {
    /// What a crew makes its workers of.
    type Plan: Send + Sync + 'static;

    fn new(plan: &Self::Plan) -> Self;

    /// Whether [`Worker::tidy`] has nothing to do.
    fn is_tidy(&self) -> bool;

    /// Gets ready for more work: what takes time, and what no caller should wait for.
    fn tidy(&mut self);
}

/// Threads with workers of one kind.
pub(super) struct Crew<W: Worker>(Arc<Shared<W>>);

struct Shared<W: Worker> {
    name: &'static str,
    stack_size: usize,
    plan: W::Plan,
    size: usize,
    permits: Arc<Semaphore>,
    /// One for each thread that may be given up at a time.
    spares: Arc<Semaphore>,
    spare_count: usize,
    threads: Mutex<Threads<W>>,
    /// Whether the last work was done in less time than anyone looks out.
    is_quick: AtomicBool,
}

/// Those that have nothing to do, and those that will have.
struct Threads<W: Worker> {
    idle: Vec<Thread<W>>,
    /// How many are still to be tidied, one after the other, before they take work: the one that is being tidied is one of
    /// them.
    coming: usize,
    /// Work that waits for one of them. Getting another thread ready would take as long, and hold up the one that comes.
    waiting: VecDeque<Task<W>>,
}

/// A thread, by what gives it work.
type Thread<W> = Sender<Assignment<W>>;

/// A task with what its thread needs to become idle again.
struct Assignment<W: Worker> {
    task: Task<W>,
    own: Thread<W>,
    shared: Arc<Shared<W>>,
}

struct Task<W> {
    work: Box<dyn FnOnce(&mut W) -> Deliver + Send>,
    lease: Arc<Lease>,
}

/// Gives the answer to the caller.
type Deliver = Box<dyn FnOnce() + Send>;

/// The right to use a thread, held by the caller and the thread until both are done.
struct Lease {
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

/// What work looks at to know whether it has to stop.
#[derive(Debug, Default)]
pub(super) struct Watch {
    deadline: OnceLock<Instant>,
    is_cancelled: AtomicBool,
    begun: Notify,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Lost {
    #[error("no JavaScript thread became free in time")]
    Busy,
    #[error("interrupted: the JavaScript engine did not stop in time")]
    Stuck,
    #[error("the JavaScript thread has failed")]
    Failed,
}

impl Watch {
    /// Begins to count: the work has to stop after `limit`.
    pub(super) fn begin(&self, limit: Duration) {
        let _ = self.deadline.set(Instant::now() + limit);
        self.begun.notify_one();
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
            || self.deadline.get().is_some_and(|deadline| Instant::now() >= *deadline)
    }
}

impl<W: Worker> Crew<W> {
    /// A crew of `size` threads at a time, of which `spares` more may be given up.
    pub(super) fn new(
        name: &'static str,
        size: usize,
        spares: usize,
        stack_size: usize,
        plan: W::Plan,
    ) -> Self {
        Self(Arc::new(Shared {
            name,
            stack_size,
            plan,
            size,
            permits: Arc::new(Semaphore::new(size)),
            spares: Arc::new(Semaphore::new(spares)),
            spare_count: spares,
            threads: Mutex::new(Threads { idle: Vec::new(), coming: 0, waiting: VecDeque::new() }),
            is_quick: AtomicBool::new(false),
        }))
    }

    /// How many of its threads work, and how many are given up at the moment.
    pub(super) fn busy(&self) -> (usize, usize) {
        let Shared { size, permits, spares, spare_count, .. } = &*self.0;
        (size.saturating_sub(permits.available_permits()), spare_count - spares.available_permits())
    }

    pub(super) fn plan(&self) -> &W::Plan {
        &self.0.plan
    }

    /// Runs work on a thread. The work has to call [`Watch::begin`] with `limit` when it is about to run code
    /// that could go on for ever. Dropping the future cancels the work.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce(&mut W, &Arc<Watch>) -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let lease = Arc::new(Lease { permit: Mutex::new(Some(self.permit().await?)) });
        let watch = Arc::new(Watch::default());
        let (answer, mut answered) = oneshot::channel();
        let watched = watch.clone();
        let task = Task {
            work: Box::new(move |worker: &mut W| {
                let value = work(worker, &watched);
                Box::new(move || drop(answer.send(value)))
            }),
            lease: lease.clone(),
        };
        let mut attempt = Attempt { shared: &self.0, lease, watch: watch.clone(), is_open: true };
        self.0.hand_out(task)?;
        if self.0.is_quick.load(Ordering::Relaxed)
            && let Some(value) = at_once(&mut answered).await
        {
            attempt.is_open = false;
            return value;
        }
        let in_time = tokio::select! {
            biased;
            value = &mut answered => Ok(value),
            () = watch.begun.notified() => tokio::time::timeout(limit + GRACE, &mut answered).await,
            () = tokio::time::sleep(PREPARATION) => return Err(Lost::Stuck),
        };
        match in_time {
            Ok(value) => {
                attempt.is_open = false;
                value.map_err(|_| Lost::Failed)
            }
            Err(_) => {
                tracing::warn!(crew = self.0.name, "a JavaScript thread does not stop and is given up");
                Err(Lost::Stuck)
            }
        }
    }

    /// The right to use a thread, as soon as there is one.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, Lost> {
        let permits = self.0.permits.clone();
        if let Ok(permit) = permits.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let permit = tokio::time::timeout(PATIENCE, permits.acquire_owned()).await.map_err(|_| Lost::Busy)?;
        permit.map_err(|_| Lost::Failed)
    }

    /// Starts a full set of new threads, one after the other and in the background, because the plan has
    /// changed: they are tidied before they take work, and then take the place of the old ones.
    pub(super) fn renew(&self) {
        self.0.start_tidied(self.0.size);
    }
}

impl<W: Worker> Shared<W> {
    fn threads(&self) -> MutexGuard<'_, Threads<W>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a task to the thread that became idle last, else to the next one that comes, else to a new one.
    fn hand_out(self: &Arc<Self>, task: Task<W>) -> Result<(), Lost> {
        let idle = {
            let mut threads = self.threads();
            let idle = threads.idle.pop();
            if idle.is_none() && threads.coming > 0 {
                threads.waiting.push_back(task);
                return Ok(());
            }
            idle
        };
        let thread = match idle {
            Some(thread) => thread,
            None => self.start(false)?,
        };
        let own = thread.clone();
        thread.send(Assignment { task, own, shared: self.clone() }).map_err(|_| Lost::Failed)
    }

    /// Starts a thread; one that comes is tidied and then idle.
    fn start(self: &Arc<Self>, comes: bool) -> Result<Thread<W>, Lost> {
        let (thread, assignments) = channel::<Assignment<W>>();
        let (shared, own) = (self.clone(), comes.then(|| thread.clone()));
        let run = move || {
            let mut worker = W::new(&shared.plan);
            if let Some(own) = own {
                shared.come(&mut worker, own);
            }
            // From here on the thread is known by what others hold of it, and ends when they forget it.
            drop(shared);
            let mut comes_soon = false;
            while let Some(Assignment { task, own, shared }) = next(&assignments, &mut comes_soon) {
                shared.serve(&mut worker, task, own);
            }
        };
        let thread_builder =
            std::thread::Builder::new().name(self.name.to_owned()).stack_size(self.stack_size);
        match thread_builder.spawn(run) {
            Ok(_) => Ok(thread),
            Err(err) => {
                tracing::error!(crew = self.name, reason = %err, "a JavaScript thread cannot be started");
                Err(Lost::Failed)
            }
        }
    }

    /// Sees to it that at least so many threads come. They keep themselves alive by being idle.
    fn start_tidied(self: &Arc<Self>, wanted: usize) {
        let is_begun = {
            let mut threads = self.threads();
            let is_begun = threads.coming > 0;
            threads.coming = threads.coming.max(wanted);
            is_begun
        };
        if !is_begun {
            self.start_next();
        }
    }

    /// Starts the next one of those that are to come. Where that is not possible, nobody waits for them any longer.
    fn start_next(self: &Arc<Self>) {
        if self.start(true).is_err() {
            let waiting = {
                let mut threads = self.threads();
                threads.coming = 0;
                std::mem::take(&mut threads.waiting)
            };
            // Their callers learn of it by the dropped channels.
            drop(waiting);
        }
    }

    /// Tidies the worker of a new thread, which is idle then, and starts the next one.
    fn come(self: &Arc<Self>, worker: &mut W, own: Thread<W>) {
        let tidied = std::panic::catch_unwind(AssertUnwindSafe(|| {
            worker.tidy();
            // The plan may have changed in the meantime.
            if !worker.is_tidy() {
                worker.tidy();
            }
        }));
        if tidied.is_err() {
            *worker = W::new(&self.plan);
        }
        let is_last = {
            let mut threads = self.threads();
            threads.coming -= 1;
            threads.coming == 0
        };
        self.rest(own);
        if !is_last {
            self.start_next();
        }
    }

    /// Runs a task on the thread whose worker this is.
    fn serve(self: &Arc<Self>, worker: &mut W, task: Task<W>, own: Thread<W>) {
        let Task { work, lease } = task;
        let begun = Instant::now();
        let deliver = std::panic::catch_unwind(AssertUnwindSafe(|| work(worker)));
        self.is_quick.store(begun.elapsed() < LOOKOUT, Ordering::Relaxed);
        let Ok(deliver) = deliver else {
            // What it has left behind is not used again; the caller learns of it by the dropped channel.
            *worker = W::new(&self.plan);
            return self.rest(own);
        };
        if worker.is_tidy() {
            // Idle before the caller goes on, who may have more work.
            self.rest(own);
            drop(lease);
            deliver();
        } else {
            deliver();
            worker.tidy();
            self.rest(own);
        }
    }

    /// Gives a thread what waits for one, or makes it idle. When there are enough of them, the one that has been idle
    /// longest ends.
    fn rest(self: &Arc<Self>, own: Thread<W>) {
        let mut threads = self.threads();
        if let Some(task) = threads.waiting.pop_front() {
            drop(threads);
            let _ = own.send(Assignment { task, own: own.clone(), shared: self.clone() });
            return;
        }
        threads.idle.push(own);
        if threads.idle.len() > self.size {
            threads.idle.remove(0);
        }
    }
}

/// The answer, where it comes while its caller looks out for it. Others of the runtime go on in the meantime.
async fn at_once<T>(answered: &mut oneshot::Receiver<T>) -> Option<Result<T, Lost>> {
    let begun = Instant::now();
    loop {
        match answered.try_recv() {
            Ok(value) => return Some(Ok(value)),
            Err(TryRecvError::Closed) => return Some(Err(Lost::Failed)),
            Err(TryRecvError::Empty) if begun.elapsed() < LOOKOUT => tokio::task::yield_now().await,
            Err(TryRecvError::Empty) => return None,
        }
    }
}

/// What a thread is to do next; nothing when nobody knows it any more. It looks out for work where that came soon the last
/// time.
fn next<W: Worker>(assignments: &Receiver<Assignment<W>>, comes_soon: &mut bool) -> Option<Assignment<W>> {
    let begun = Instant::now();
    while *comes_soon && begun.elapsed() < LOOKOUT {
        match assignments.try_recv() {
            Ok(assignment) => return Some(assignment),
            Err(mpsc::TryRecvError::Disconnected) => return None,
            Err(mpsc::TryRecvError::Empty) => std::hint::spin_loop(),
        }
    }
    let assignment = assignments.recv().ok();
    *comes_soon = begun.elapsed() < 2 * LOOKOUT;
    assignment
}

/// A caller's share in a task. When it is dropped before the answer, the work is cancelled, and the thread
/// given up in case it does not heed that.
struct Attempt<'a, W: Worker> {
    shared: &'a Arc<Shared<W>>,
    lease: Arc<Lease>,
    watch: Arc<Watch>,
    is_open: bool,
}

impl<W: Worker> Drop for Attempt<'_, W> {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        self.watch.is_cancelled.store(true, Ordering::Relaxed);
        let Ok(spare) = self.shared.spares.clone().try_acquire_owned() else { return };
        let mut permit = self.lease.permit.lock().unwrap_or_else(PoisonError::into_inner);
        // The work keeps the spare until it ends, and the permit is free for another.
        *permit = Some(spare);
        let is_needed = self.shared.threads().idle.is_empty();
        if is_needed {
            self.shared.start_tidied(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A worker that counts its work and can be made untidy.
    struct Counter {
        count: usize,
        tidied: usize,
        is_tidy: bool,
    }

    impl Worker for Counter {
        type Plan = ();

        fn new((): &()) -> Self {
            Self { count: 0, tidied: 0, is_tidy: true }
        }

        fn is_tidy(&self) -> bool {
            self.is_tidy
        }

        fn tidy(&mut self) {
            self.tidied += 1;
            self.is_tidy = true;
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    fn crew(size: usize, spares: usize) -> Crew<Counter> {
        Crew::new("test", size, spares, 1 << 20, ())
    }

    async fn count(crew: &Crew<Counter>) -> Result<usize, Lost> {
        crew.run(LONG, |worker, _| {
            worker.count += 1;
            worker.count
        })
        .await
    }

    #[tokio::test]
    async fn a_thread_keeps_its_state() {
        let crew = crew(1, 0);
        for expected in 1..5 {
            assert_eq!(count(&crew).await, Ok(expected));
        }
    }

    #[tokio::test]
    async fn a_panic_costs_that_work_only() {
        let crew = crew(1, 0);
        assert_eq!(count(&crew).await, Ok(1));
        let lost = crew.run(LONG, |_, _| -> usize { panic!("on purpose") }).await;
        assert_eq!(lost, Err(Lost::Failed));
        assert_eq!(count(&crew).await, Ok(1), "the state is a new one");
    }

    #[tokio::test]
    async fn work_that_heeds_its_watch_ends_by_itself() {
        let crew = crew(1, 0);
        let limit = Duration::from_millis(50);
        let ended = crew
            .run(limit, move |worker, watch| {
                watch.begin(limit);
                while !watch.is_over() {
                    std::thread::yield_now();
                }
                worker.is_tidy = false;
                worker.count
            })
            .await;
        assert_eq!(ended, Ok(0));
        let tidied = crew.run(LONG, |worker, _| worker.tidied).await;
        assert_eq!(tidied, Ok(1), "it was tidied before the next work");
    }

    #[tokio::test]
    async fn a_thread_that_does_not_stop_is_replaced_until_it_does() {
        let crew = crew(1, 1);
        let (release, held) = channel::<()>();
        let stuck = crew
            .run(Duration::from_millis(10), move |_, watch| {
                watch.begin(Duration::from_millis(10));
                let _ = held.recv();
            })
            .await;
        assert_eq!(stuck, Err(Lost::Stuck));
        assert_eq!(count(&crew).await, Ok(1), "another thread has taken its place");
        assert_eq!(crew.0.spares.available_permits(), 0);
        drop(release);
        let _spare = crew.0.spares.clone().acquire_owned().await.expect("the work ends");
        assert!(count(&crew).await.is_ok());
        assert_eq!(crew.0.threads().idle.len(), 1, "one of the two threads is left");
    }

    #[tokio::test]
    async fn work_whose_caller_has_gone_is_cancelled() {
        let crew = crew(1, 1);
        let (seen, saw) = oneshot::channel();
        let work = crew.run(LONG, move |_, watch| {
            watch.begin(LONG);
            while !watch.is_over() {
                std::thread::yield_now();
            }
            let _ = seen.send(());
        });
        let gone = tokio::time::timeout(Duration::from_millis(50), work).await;
        assert!(gone.is_err());
        saw.await.expect("the work has seen that it is cancelled");
        assert_eq!(count(&crew).await, Ok(1));
    }

    #[tokio::test]
    async fn work_waits_for_a_thread_that_is_being_tidied() {
        let crew = crew(1, 0);
        crew.renew();
        let tidied = crew.run(LONG, |worker, _| worker.tidied).await;
        assert_eq!(tidied, Ok(1), "another thread was started");
    }

    #[tokio::test]
    async fn threads_end_with_their_crew() {
        let crew = crew(2, 0);
        assert_eq!(count(&crew).await, Ok(1));
        let alive = Arc::downgrade(&crew.0);
        crew.renew();
        drop(crew);
        while alive.upgrade().is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
