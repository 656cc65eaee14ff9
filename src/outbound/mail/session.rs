//! A connection to a mail server and what is said on it (RFC 5321, 3207, 4954), in the order in which nodemailer says
//! it.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::failure::{Refusal, Undelivered};
use super::provider::Login;
use crate::field;
use crate::outbound::connect::{self, Transport};

/// The longest reply, in bytes.
const LONGEST_REPLY: u64 = 64 << 10;

pub(super) struct Session {
    stream: BufReader<Box<dyn Transport>>,
    host: String,
    is_tls: bool,
    /// The lines of the reply to EHLO, without the first one.
    extensions: Vec<String>,
    /// The server knows no EHLO, so that what it can do is not known.
    is_old: bool,
    /// How many messages it has carried.
    carried: u32,
}

/// What a server has said: its lines as they came, without their ends, put together with LF.
struct Reply(String);

impl Reply {
    fn is_yes(&self) -> bool {
        self.0.starts_with('2')
    }

    fn has_code(&self, code: &str) -> bool {
        self.0.starts_with(code)
    }
}

impl Session {
    /// `host` is what a certificate has to be for.
    pub(super) fn new(tcp: TcpStream, host: &str) -> Self {
        let stream: Box<dyn Transport> = Box::new(tcp);
        let (host, extensions) = (host.to_owned(), Vec::new());
        Self { stream: BufReader::new(stream), host, is_tls: false, extensions, is_old: false, carried: 0 }
    }

    /// How many messages it has carried.
    pub(super) fn carried(&self) -> u32 {
        self.carried
    }

    /// Whether the server takes another mail on this connection, which was kept.
    pub(super) async fn is_alive(&mut self) -> bool {
        self.say("RSET").await.is_ok_and(|reply| reply.is_yes())
    }

    /// What the server said that it can do.
    pub(super) fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// The same connection with TLS.
    pub(super) async fn secure(self, tls: &TlsConnector) -> Result<Self, Undelivered> {
        let Self { stream, host, .. } = self;
        let name = connect::server_name(&host)
            .ok_or_else(|| Undelivered::plain(format!("No certificate can name the host \"{host}\"")))?;
        let secured = tls.connect(name, stream.into_inner()).await;
        let stream: Box<dyn Transport> = Box::new(secured.map_err(|err| Undelivered::insecure(&err, &host))?);
        let stream = BufReader::new(stream);
        Ok(Self { stream, host, is_tls: true, extensions: Vec::new(), is_old: false, carried: 0 })
    }

    /// Waits for the server to speak first.
    pub(super) async fn greet(&mut self) -> Result<(), Undelivered> {
        let greeting = self.reply().await.map_err(|failure| match failure.code {
            Some("ECONNECTION") => Undelivered::plain("Unexpected socket close"),
            _ => failure,
        })?;
        if greeting.has_code("220") {
            return Ok(());
        }
        Err(Undelivered::said("EPROTOCOL", "CONN", "Invalid greeting", greeting.0))
    }

    pub(super) async fn hello(&mut self) -> Result<(), Undelivered> {
        let name = own_name();
        let reply = self.say(&format!("EHLO {name}")).await?;
        if reply.has_code("421") {
            return Err(Undelivered::said("ECONNECTION", "EHLO", "Server terminates connection", reply.0));
        }
        if reply.is_yes() {
            let lines = reply.0.split('\n').map(|line| line.get(4..).unwrap_or_default().trim());
            let lines: Vec<String> = lines.filter(|line| !line.is_empty()).map(str::to_owned).collect();
            self.extensions = lines.into_iter().skip(1).collect();
            return Ok(());
        }
        let reply = self.say(&format!("HELO {name}")).await?;
        self.is_old = true;
        if reply.is_yes() {
            return Ok(());
        }
        Err(Undelivered::said("EPROTOCOL", "HELO", "Invalid HELO", reply.0))
    }

    /// What follows the name of an extension; none when the server does not have it.
    fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.iter().find_map(|line| {
            let (word, rest) = line.split_at(line.find([' ', '=']).unwrap_or(line.len()));
            word.eq_ignore_ascii_case(name).then_some(rest)
        })
    }

    /// Whether the server can go on with TLS.
    pub(super) fn offers_tls(&self) -> bool {
        !self.is_tls && self.extension("STARTTLS").is_some()
    }

    pub(super) async fn start_tls(mut self, tls: &TlsConnector) -> Result<Self, Undelivered> {
        let reply = self.say("STARTTLS").await?;
        if !reply.is_yes() {
            let message = "Error upgrading connection with STARTTLS";
            return Err(Undelivered::said("ETLS", "STARTTLS", message, reply.0));
        }
        // Somebody in between could have put it there, to be read as if it had come with TLS.
        if !self.stream.buffer().is_empty() {
            return Err(Undelivered::untried("The server spoke on before TLS had begun"));
        }
        self.secure(tls).await
    }

    /// Signs in, where the server asks for it.
    pub(super) async fn sign_in(&mut self, login: &Login) -> Result<(), Undelivered> {
        let Some(methods) = self.extension("AUTH").or(self.is_old.then_some("")) else { return Ok(()) };
        let methods = methods.to_ascii_uppercase();
        let has = |method: &str| methods.split([' ', '=', '\t']).any(|word| word == method);
        let is_plain = has("PLAIN") || !has("LOGIN");
        if login.user.is_empty() || login.password.is_empty() {
            let method = if is_plain { "PLAIN" } else { "LOGIN" };
            return Err(Undelivered::unsaid("EAUTH", format!("Missing credentials for \"{method}\"")));
        }
        let (command, reply) = if is_plain {
            let secret = STANDARD.encode(format!("\0{}\0{}", login.user, login.password));
            ("AUTH PLAIN", self.say(&format!("AUTH PLAIN {secret}")).await?)
        } else {
            let mut reply = self.say("AUTH LOGIN").await?;
            for (asked, answer) in [("VXNlcm5hbWU6", &login.user), ("UGFzc3dvcmQ6", &login.password)] {
                if !reply.has_code("334") {
                    let message = format!("Invalid login sequence while waiting for \"334 {asked}\"");
                    return Err(Undelivered::said("EAUTH", "AUTH LOGIN", &message, reply.0));
                }
                reply = self.say(&STANDARD.encode(answer)).await?;
            }
            ("AUTH LOGIN", reply)
        };
        // A server may ask once more, to say then why it refuses.
        let reply = if reply.has_code("334") { self.say("").await? } else { reply };
        if reply.is_yes() {
            return Ok(());
        }
        Err(Undelivered::said("EAUTH", command, "Invalid login", reply.0))
    }

    /// Says whom the mail is from and to. The recipients that are taken, at least one, and those that are not.
    pub(super) async fn envelope(
        &mut self,
        from: &str,
        to: &[String],
    ) -> Result<(Vec<String>, Vec<Refusal>), Undelivered> {
        if to.is_empty() {
            return Err(Undelivered::unsaid("EENVELOPE", "No recipients defined"));
        }
        if let Some(odd) = [from].into_iter().chain(to.iter().map(String::as_str)).find(|one| is_odd(one)) {
            return Err(Undelivered::unsaid("EENVELOPE", format!("Invalid address {odd:?}")));
        }
        let is_ascii = from.is_ascii() && to.iter().all(|address| address.is_ascii());
        let utf8 = if !is_ascii && self.extension("SMTPUTF8").is_some() { " SMTPUTF8" } else { "" };
        let reply = self.say(&format!("MAIL FROM:<{from}>{utf8}")).await?;
        if !reply.is_yes() {
            return Err(Undelivered::said("EENVELOPE", "MAIL FROM", "Mail command failed", reply.0));
        }
        let (mut accepted, mut refused) = (Vec::new(), Vec::new());
        for recipient in to {
            let reply = self.say(&format!("RCPT TO:<{recipient}>")).await?;
            if reply.is_yes() {
                accepted.push(recipient.clone());
            } else {
                refused.push(Refusal { recipient: recipient.clone(), reply: reply.0 });
            }
        }
        match refused.last() {
            Some(last) if accepted.is_empty() => {
                let message = "Can't send mail - all recipients were rejected";
                let failure = Undelivered::said("EENVELOPE", "RCPT TO", message, last.reply.clone());
                Err(Undelivered { refused, ..failure })
            }
            _ => Ok((accepted, refused)),
        }
    }

    /// Hands the message over. The server's reply, and the bytes that were sent.
    pub(super) async fn message(&mut self, message: &[u8]) -> Result<(String, usize), Undelivered> {
        let reply = self.say("DATA").await?;
        if !reply.is_yes() && !reply.has_code("3") {
            return Err(Undelivered::said("EENVELOPE", "DATA", "Data command failed", reply.0));
        }
        let stuffed = stuffed(message);
        self.write(&stuffed).await?;
        let reply = self.reply().await?;
        if reply.is_yes() {
            self.carried += 1;
            return Ok((reply.0, stuffed.len()));
        }
        Err(Undelivered::said("EMESSAGE", "DATA", "Message failed", reply.0))
    }

    /// Says goodbye, without waiting for an answer.
    pub(super) async fn quit(mut self) {
        if self.write(b"QUIT\r\n").await.is_ok() {
            let _ = self.stream.get_mut().shutdown().await;
        }
    }

    /// A command with its reply. What it holds must not have ends of lines in it.
    async fn say(&mut self, command: &str) -> Result<Reply, Undelivered> {
        self.write(format!("{command}\r\n").as_bytes()).await?;
        self.reply().await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Undelivered> {
        let stream = self.stream.get_mut();
        let written = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        written.await.map_err(|err| Undelivered::broken(&err, "write"))
    }

    async fn reply(&mut self) -> Result<Reply, Undelivered> {
        let mut bytes = Vec::new();
        loop {
            let start = bytes.len();
            let room = LONGEST_REPLY.saturating_sub(start as u64);
            let read = (&mut self.stream).take(room).read_until(b'\n', &mut bytes).await;
            read.map_err(|err| Undelivered::broken(&err, "read"))?;
            if bytes.len() as u64 == LONGEST_REPLY {
                return Err(Undelivered::plain("The server's reply is too long"));
            }
            if bytes.last() != Some(&b'\n') {
                return Err(Undelivered::broken(&io::ErrorKind::UnexpectedEof.into(), "read"));
            }
            let line = &bytes[start..];
            let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 || line.get(digits) != Some(&b'-') {
                break;
            }
        }
        let text = field::latin1(&bytes).replace("\r\n", "\n");
        Ok(Reply(text.trim_end_matches('\n').to_owned()))
    }
}

/// What an address must not have in it: it would end the command.
fn is_odd(address: &str) -> bool {
    address.contains(['\r', '\n', '<', '>'])
}

/// The message as it is sent: dots at the beginnings of lines doubled, and a single one at the end.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 8);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !out.ends_with(b"\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

/// The name of this machine, where it is one that others can look up.
fn own_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.parse::<std::net::Ipv4Addr>().is_ok() {
        return format!("[{name}]");
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.contains('.') && name.chars().all(is_name) { name } else { "[127.0.0.1]".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_do_not_end_a_message() {
        assert_eq!(stuffed(b"a\r\n.\r\n..b\r\nc"), b"a\r\n..\r\n...b\r\nc\r\n.\r\n");
        assert_eq!(stuffed(b""), b"\r\n.\r\n");
        assert_eq!(stuffed(b".\r\n"), b"..\r\n.\r\n");
    }
}
