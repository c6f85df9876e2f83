//! The networks and their parameters (protocol, Parameters).

use crate::chain::{BlockHash, Height};
use core::fmt;
use core::str::FromStr;

/// A Bitcoin network that has a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// The network with money in it.
    Mainnet,
    /// The public test network, version 4 (BIP 94).
    Testnet4,
    /// The default signet (BIP 325).
    Signet,
    /// A private chain.
    Regtest,
}

impl Network {
    /// All of them.
    pub const ALL: [Network; 4] = [
        Network::Mainnet,
        Network::Testnet4,
        Network::Signet,
        Network::Regtest,
    ];

    /// Its name on the command line and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Network::Mainnet => "mainnet",
            Network::Testnet4 => "testnet4",
            Network::Signet => "signet",
            Network::Regtest => "regtest",
        }
    }

    /// Its parameters.
    pub const fn params(self) -> &'static Params {
        match self {
            Network::Mainnet => &MAINNET,
            Network::Testnet4 => &TESTNET4,
            Network::Signet => &SIGNET,
            Network::Regtest => &REGTEST,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is none of the four networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownNetwork;

impl fmt::Display for UnknownNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a chain is one of mainnet, testnet4, signet, regtest")
    }
}

impl core::error::Error for UnknownNetwork {}

impl FromStr for Network {
    type Err = UnknownNetwork;

    fn from_str(text: &str) -> Result<Network, UnknownNetwork> {
        Network::ALL
            .into_iter()
            .find(|n| n.as_str() == text)
            .ok_or(UnknownNetwork)
    }
}

/// What distinguishes the registry of one network from that of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// Hash of the block at height 0.
    pub genesis: BlockHash,
    /// W: for how many blocks after its own a reservation can be claimed.
    pub window: u32,
    /// The first block that counts.
    pub first_height: Height,
    /// D as tools use it when they are not told another; at least 1.
    pub usual_depth: u32,
}

#[expect(
    clippy::indexing_slicing,
    reason = "runs when it is compiled, where a slip is a compile error"
)]
const fn block_hash(display: &[u8; 64]) -> BlockHash {
    let mut bytes = [0; 32];
    let mut i = 0;
    while i < 64 {
        let digit = display[i];
        let nibble = if digit <= b'9' {
            digit - b'0'
        } else {
            digit - b'a' + 10
        };
        bytes[31 - i / 2] = 16 * bytes[31 - i / 2] + nibble;
        i += 1;
    }
    BlockHash::from_bytes(bytes)
}

const MAINNET: Params = Params {
    genesis: block_hash(b"000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"),
    window: 144,
    first_height: 970_000,
    usual_depth: 6,
};
const TESTNET4: Params = Params {
    genesis: block_hash(b"00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043"),
    window: 144,
    first_height: 100_000,
    usual_depth: 6,
};
const SIGNET: Params = Params {
    genesis: block_hash(b"00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6"),
    window: 144,
    first_height: 250_000,
    usual_depth: 2,
};
const REGTEST: Params = Params {
    genesis: block_hash(b"0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"),
    window: 12,
    first_height: 0,
    usual_depth: 1,
};

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn networks_are_read_by_the_name_that_they_show() {
        for network in Network::ALL {
            assert_eq!(network.to_string().parse(), Ok(network));
            assert!(network.params().usual_depth >= 1);
        }
        assert_eq!("testnet".parse::<Network>(), Err(UnknownNetwork));
        assert_eq!(
            UnknownNetwork.to_string(),
            "a chain is one of mainnet, testnet4, signet, regtest"
        );
    }
}
