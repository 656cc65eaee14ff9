//! What executions cost in time of the processor, which a busy machine blurs less than their rate.

/// Hundredths of a second, as `/proc` tells them (proc(5)), that processes have taken so far.
#[derive(Clone, Copy)]
pub struct Taken {
    pub sidehook: u64,
    pub postgres: u64,
}

/// Of the process `sidehook`, and of all processes of the server to which the session `backend` belongs.
pub fn taken(sidehook: u32, backend: u32) -> Taken {
    let server = stat(backend).map_or(0, |stat| stat.parent);
    let sessions = std::fs::read_dir("/proc").expect("the processes").filter_map(|entry| {
        let id = entry.ok()?.file_name().to_str()?.parse().ok()?;
        stat(id).filter(|stat| stat.parent == server)
    });
    let sessions: u64 = sessions.map(|stat| stat.own).sum();
    Taken {
        sidehook: stat(sidehook).map_or(0, |stat| stat.own),
        postgres: sessions + stat(server).map_or(0, |stat| stat.own + stat.ended),
    }
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
