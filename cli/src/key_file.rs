//! Ed25519 keys in files: PKCS #8 in PEM, readable by their owner alone.

use anyhow::{Context as _, Result, bail};
use atname_protocol::Key;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use ed25519_dalek::{SigningKey, VerifyingKey};
use sha1::{Digest as _, Sha1};
use std::io::Write as _;
use std::path::Path;
use zeroize::Zeroizing;

/// A key file is some 120 bytes; what is larger is something else.
const MAX_SIZE: u64 = 4096;

/// Makes a key in a file that does not exist yet, and returns its public half.
pub(crate) fn create(path: &Path) -> Result<VerifyingKey> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).context("the system gives no random bytes")?;
    let key = SigningKey::from_bytes(&seed);
    // Without the public half in it (RFC 5958), which openssl does not read.
    let pem = KeypairBytes {
        secret_key: *seed,
        public_key: None,
    }
    .to_pkcs8_pem(LineEnding::LF)
    .context("the key cannot be written as PEM")?;

    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    }
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => anyhow::anyhow!(
            "{} exists and is left as it is: name a new file",
            path.display()
        ),
        _ => anyhow::anyhow!("{} cannot be made: {error}", path.display()),
    })?;
    file.write_all(pem.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(key.verifying_key())
}

/// Reads a key from its file.
pub(crate) fn read(path: &Path) -> Result<SigningKey> {
    let size = std::fs::metadata(path)
        .with_context(|| format!("the key file {} cannot be read", path.display()))?
        .len();
    if size > MAX_SIZE {
        bail!(no_key(path, "it is too large"));
    }
    let text = std::fs::read(path)
        .map(Zeroizing::new)
        .with_context(|| format!("the key file {} cannot be read", path.display()))?;
    let text = std::str::from_utf8(&text).map_err(|_| anyhow::anyhow!(no_key(path, "no text")))?;
    SigningKey::from_pkcs8_pem(text)
        .map_err(|_| anyhow::anyhow!(no_key(path, "it is not PKCS #8 in PEM")))
}

fn no_key(path: &Path, why: &str) -> String {
    format!(
        "{} holds no Ed25519 key ({why}): `atname key new FILE` makes one",
        path.display()
    )
}

/// Whether others than its owner can read a file.
#[cfg(unix)]
pub(crate) fn is_exposed(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0)
}

/// Whether others than its owner can read a file: not known on this platform.
#[cfg(not(unix))]
pub(crate) fn is_exposed(_: &Path) -> bool {
    false
}

/// The DHT key of a public key: its SHA-1, the target of an unsalted mutable item (BEP 44).
pub(crate) fn dht_key(key: &VerifyingKey) -> Key {
    Key::from_bytes(Sha1::digest(key.as_bytes()).into())
}
