//! Whatever happens to its processes and its database, sidehook loses nothing that it has acknowledged, does
//! nothing twice that it has recorded, and ends every execution.

mod calling;
mod chaos;
mod fairness;
mod ids;
mod load;
mod losers;
mod receiver;
mod samples;
mod signals;
mod waiting;
