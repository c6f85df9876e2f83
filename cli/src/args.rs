//! The command line: every flag, and the environment variable that stands for it.

use atname_protocol::Network;
use clap::builder::BoolishValueParser;
use clap::parser::ValueSource;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueHint};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

/// A registry of usernames on Bitcoin.
///
/// `atname run` follows your bitcoind and answers on http://127.0.0.1:8480; `atname resolve NAME`
/// asks the database directly, or resolvers elsewhere.
#[derive(Debug, Parser)]
#[command(
    name = "atname",
    version,
    max_term_width = 100,
    after_help = "Examples:
  atname run                              follow the local mainnet node and answer over HTTP
  atname --chain regtest index --once     index a private chain up to its tip
  atname resolve cjb                      the 40 hex digits that @gittorrent!cjb stands for
  atname show '@gittorrent!cjb'           everything about it, with its history
  atname key new ~/.config/gittorrent/key make a signing key
  atname register cjb --key ~/.config/gittorrent/key
                                          register @gittorrent!cjb for that key

Settings come from flags, then the environment (ATNAME_CHAIN for --chain, and so on), then
atname.toml in the data folder, then defaults that find a local node.

Exit status: 0 done; 1 failed; 2 usage, a bad name included; 3 unfinished, `atname resume` goes on;
4 no such name, pending, revoked, or taken; 5 no node, not in sync, wallet missing, locked or empty;
6 refused by policy, a fee cap or a rule check, or nobody to ask; 7 you said no."
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Args {
    /// Reads the command line, and ends the process where it is none.
    pub(crate) fn read() -> Args {
        let matches = Args::command().get_matches();
        let mut args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        if let (Command::Resolve(resolve), Some((_, own))) =
            (&mut args.command, matches.subcommand())
        {
            resolve.sources = Sources {
                url: own.value_source("url"),
                timeout: own.value_source("timeout"),
                proxy: own.value_source("proxy"),
                db: own.value_source("db"),
            };
        }
        args
    }
}

/// What several commands share.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Settings {
    /// The network: mainnet, testnet4, signet or regtest [default: mainnet]
    #[arg(long, env = "ATNAME_CHAIN", global = true, hide_env = true)]
    pub(crate) chain: Option<Network>,

    /// Folder of databases and of atname.toml [default: the platform's data folder]
    #[arg(long, env = "ATNAME_DATA_DIR", global = true, hide_env = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: Option<PathBuf>,

    /// The database [default: CHAIN/atname.sqlite in the data folder]
    #[arg(long, env = "ATNAME_DB", global = true, hide_env = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) db: Option<PathBuf>,

    /// The node's RPC address [default: http://127.0.0.1 and the chain's port]
    #[arg(
        long,
        env = "ATNAME_NODE",
        global = true,
        hide_env = true,
        value_name = "URL"
    )]
    pub(crate) node: Option<String>,

    /// The node's cookie [default: .cookie in bitcoind's data folder]
    #[arg(long, env = "ATNAME_COOKIE", global = true, hide_env = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) cookie: Option<PathBuf>,

    /// An RPC user instead of the cookie; the password is in ATNAME_RPC_PASSWORD or a file
    #[arg(
        long,
        env = "ATNAME_RPC_USER",
        global = true,
        hide_env = true,
        value_name = "NAME"
    )]
    pub(crate) rpc_user: Option<String>,

    /// A file whose first line is the RPC password
    #[arg(long, env = "ATNAME_RPC_PASSWORD_FILE", global = true, hide_env = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) rpc_password_file: Option<PathBuf>,

    /// The node's wallet [default: the one that is loaded]
    #[arg(
        long,
        env = "ATNAME_WALLET",
        global = true,
        hide_env = true,
        value_name = "NAME"
    )]
    pub(crate) wallet: Option<String>,

    /// The service of names that are written without one [default: gittorrent]
    #[arg(
        long,
        env = "ATNAME_SERVICE",
        global = true,
        hide_env = true,
        value_name = "NAME"
    )]
    pub(crate) service: Option<String>,

    /// Seconds for which the indexer may not have heard from its node before names are not answered any
    /// more; 0 is no limit [default: 3600]
    #[arg(
        long,
        env = "ATNAME_MAX_AGE",
        global = true,
        hide_env = true,
        value_name = "SECONDS"
    )]
    pub(crate) max_age: Option<u64>,

    /// Answer in JSON
    #[arg(long, env = "ATNAME_JSON", global = true, hide_env = true, value_parser = BoolishValueParser::new())]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Follow the node and write the database
    #[command(after_help = "Examples:
  atname index                            follow the local mainnet node until Ctrl-C
  atname --chain signet index --once      stop at the tip
  atname index --node http://10.0.0.2:8332 --rpc-user me")]
    Index(Index),
    /// Answer over HTTP from the database; needs no node, and holds no wallet and no key
    #[command(after_help = "Examples:
  atname serve
  atname --chain regtest serve --listen 127.0.0.1:9000
  curl localhost:8480/resolve/cjb")]
    Serve(Serve),
    /// Follow the node and answer over HTTP, in one process
    #[command(after_help = "Examples:
  atname run
  atname --chain regtest run --listen 127.0.0.1:9000")]
    Run(Serve),
    /// Print the 40 hex digits that a name stands for
    #[command(after_help = "Examples:
  atname resolve cjb
  atname resolve '@gittorrent!cjb' --depth 20
  atname resolve cjb --pending --json
  atname resolve cjb --url http://127.0.0.1:8480
  atname resolve cjb --url https://one.example --url https://two.example --timeout 3

One resolver is believed. Of several more than half have to answer, none may contradict another, and
those that did not answer are named on stderr. Once enough have answered, the others have half a second
more. ATNAME_URL takes several with spaces between them.

Exit status: 4 no such name, pending, revoked; 5 not in sync, or too few resolvers answered;
6 resolvers disagree.")]
    Resolve(Resolve),
    /// Show one name in full, with its history
    #[command(after_help = "Examples:
  atname show cjb
  atname show cjb --json")]
    Show(Lookup),
    /// Say whether a name can be had, what it would cost, and which names look like it
    #[command(after_help = "Examples:
  atname available cjb

Exit status: 0 free; 4 taken, or claimed in the mempool.")]
    Available(Named),
    /// Register a name, start to end: reserve it, wait, claim it, wait
    #[command(after_help = "Examples:
  atname register cjb --key ~/.config/gittorrent/key
  atname register cjb --key 81e24205d4bac8496d3e13282c90ead5045f09ea --fee-rate 2.5
  atname register cjb --key ~/.config/gittorrent/key --dry-run
  atname register cjb --key ~/.config/gittorrent/key --detach --yes

Ctrl-C loses nothing: `atname resume cjb` goes on. Exit status: 3 unfinished; 4 the name is taken;
5 no node, or the wallet is missing, locked or empty; 6 refused; 7 you said no.")]
    Register(Register),
    /// Go on with a registration that was interrupted
    #[command(after_help = "Examples:
  atname resume
  atname resume cjb
  atname resume --all")]
    Resume(Resume),
    /// List the registrations that are under way
    Jobs,
    /// Give up a registration whose claim is not public yet
    #[command(after_help = "Examples:
  atname abandon cjb")]
    Abandon(Named),
    /// Make an Ed25519 key, or show what it is in the DHT
    #[command(subcommand)]
    Key(Key),
    /// Print the registry at the tip as JSON lines, by service, then name
    #[command(after_help = "Examples:
  atname export > registry.jsonl
  atname export --depth 6 | jq -r 'select(.state == \"final\") | .name'")]
    Export(Export),
    /// Show tip, digest, counts and the node
    Status,
    /// Check the database against its own digests, and everything in it that follows from them
    #[command(name = "verify-db")]
    VerifyDb,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Index {
    /// Stop at the tip
    #[arg(long, env = "ATNAME_ONCE", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(crate) once: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Address and port to answer at [default: 127.0.0.1:8480]
    #[arg(long, env = "ATNAME_LISTEN", hide_env = true, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Lookup {
    /// The name; of another service as @service!name
    pub(crate) name: String,

    #[command(flatten)]
    pub(crate) depth: Depth,

    /// Take a name that is still pending, too
    #[arg(long, env = "ATNAME_PENDING", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(crate) pending: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Resolve {
    #[command(flatten)]
    pub(crate) lookup: Lookup,

    /// Ask a resolver over HTTP instead of the database; may be given several times
    #[arg(
        long,
        env = "ATNAME_URL",
        hide_env = true,
        value_name = "URL",
        value_hint = ValueHint::Url,
        action = clap::ArgAction::Append
    )]
    pub(crate) url: Vec<String>,

    /// How long a resolver may take to answer [default: 10]
    #[arg(
        long,
        env = "ATNAME_TIMEOUT",
        hide_env = true,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub(crate) timeout: Option<u64>,

    /// Ask resolvers through this proxy; those of the environment are not used
    #[arg(
        long,
        env = "ATNAME_PROXY",
        hide_env = true,
        value_name = "URL",
        value_hint = ValueHint::Url
    )]
    pub(crate) proxy: Option<String>,

    #[arg(skip)]
    pub(crate) sources: Sources,
}

/// Where settings came from of which some exclude one another; `None` is nowhere.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sources {
    pub(crate) url: Option<ValueSource>,
    pub(crate) timeout: Option<ValueSource>,
    pub(crate) proxy: Option<ValueSource>,
    pub(crate) db: Option<ValueSource>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// Judge what is final on the chain without its last D - 1 blocks [default: 1, the rule alone]
    #[arg(long, env = "ATNAME_DEPTH", hide_env = true, value_name = "D")]
    pub(crate) depth: Option<NonZeroU32>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Depth {
    /// Judge what is final on the chain without its last D - 1 blocks [default: the network's usual]
    #[arg(long, env = "ATNAME_DEPTH", hide_env = true, value_name = "D")]
    pub(crate) depth: Option<NonZeroU32>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key in a new file that only you can read, and print its DHT key
    #[command(after_help = "Examples:
  atname key new ~/.config/gittorrent/key

The file is PKCS #8 in PEM, which openssl reads. A file that exists is never overwritten.")]
    New(KeyFile),
    /// Print the DHT key of a key file: the SHA-1 of its public key
    #[command(after_help = "Examples:
  atname key show ~/.config/gittorrent/key
  atname key show ~/.config/gittorrent/key --json")]
    Show(KeyFile),
}

#[derive(Debug, clap::Args)]
pub(crate) struct KeyFile {
    /// The key file
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Named {
    /// The name; of another service as @service!name
    pub(crate) name: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Register {
    /// The name; of another service as @service!name
    pub(crate) name: String,

    /// What the name is to stand for: 40 hex digits, or a key file
    #[arg(long, env = "ATNAME_KEY", hide_env = true, value_name = "HEX|FILE")]
    pub(crate) key: String,

    /// Fee rate of both transactions, in sat/vB [default: the node's estimate]
    #[arg(long, env = "ATNAME_FEE_RATE", hide_env = true, value_name = "SAT_VB", value_parser = fee_rate)]
    pub(crate) fee_rate: Option<f64>,

    /// Blocks within which the estimate is to be confirmed [default: 6]
    #[arg(long, env = "ATNAME_TARGET", hide_env = true, value_name = "BLOCKS")]
    pub(crate) target: Option<u32>,

    /// The most that both fees together may be, in sat [default: 100000]
    #[arg(long, env = "ATNAME_MAX_FEE", hide_env = true, value_name = "SAT")]
    pub(crate) max_fee: Option<u64>,

    /// Show what would be sent, and leave nothing behind
    #[arg(long, env = "ATNAME_DRY_RUN", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(crate) dry_run: bool,

    /// Return after the reservation; `atname resume` claims the name later
    #[arg(long, env = "ATNAME_DETACH", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(crate) detach: bool,

    /// Do not ask
    #[arg(long, env = "ATNAME_YES", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(crate) yes: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Resume {
    /// The name; may be left out while only one registration is under way
    pub(crate) name: Option<String>,

    /// All of them, one after the other
    #[arg(long, env = "ATNAME_ALL", hide_env = true, conflicts_with = "name", value_parser = BoolishValueParser::new())]
    pub(crate) all: bool,
}

/// A fee rate that is a number, and one that somebody can mean.
fn fee_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 100_000.0 => Ok(rate),
        _ => Err("a fee rate is a number of sat/vB, like 2.5".into()),
    }
}
