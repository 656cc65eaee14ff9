//! What processes take, as `/proc` tells it (proc(5)). Time of the processor is in hundredths of a second; a busy machine
//! blurs it less than it does a rate.

/// Time of the processor.
#[derive(Clone, Copy)]
pub struct Taken {
    pub sidehook: u64,
    pub postgres: u64,
}

/// By the process `sidehook`, and by all processes of the PostgreSQL to which the session `backend` belongs.
pub fn taken(sidehook: u32, backend: u32) -> Taken {
    Taken { sidehook: own(sidehook), postgres: postgres(backend) }
}

/// By all processes of the PostgreSQL to which the session `backend` belongs.
pub fn postgres(backend: u32) -> u64 {
    let server = stat(backend).map_or(0, |stat| stat.parent);
    let sessions = std::fs::read_dir("/proc").expect("the processes").filter_map(|entry| {
        let id = entry.ok()?.file_name().to_str()?.parse().ok()?;
        stat(id).filter(|stat| stat.parent == server)
    });
    let sessions: u64 = sessions.map(|stat| stat.own).sum();
    sessions + stat(server).map_or(0, |stat| stat.own + stat.ended)
}

/// Time of the processor that one process has taken so far; 0 where there is none.
pub fn own(id: u32) -> u64 {
    stat(id).map_or(0, |stat| stat.own)
}

/// A line of `/proc/<id>/status`, in MB.
pub fn memory(id: u32, name: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).expect("the process is there");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.expect("a number of kB") / 1024.0
}

struct Stat {
    parent: u32,
    own: u64,
    /// Of children that have ended.
    ended: u64,
}

fn stat(id: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name of the program, in parentheses, may hold anything.
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        own: number(11)? + number(12)?,
        ended: number(13)? + number(14)?,
    })
}
