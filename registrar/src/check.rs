//! The rules, run over a transaction before it is sent: it is refused unless it does what was asked
//! for and nothing else (protocol, What tools owe their users).

use atname_protocol::effect::Effect;
use atname_protocol::rules::{self, Decision};
use atname_protocol::state::{Dormant, Lookups};
use atname_protocol::{
    Commitment, Height, Key, OutPoint, Params, Position, QualifiedName, Service, Transaction, Txid,
};
use bitcoin::hashes::Hash as _;
use std::ops::Range;

/// A registry as it will be once our reservation is in a block: what is there, and that.
pub struct Ahead<'a, S> {
    /// What is there.
    pub state: &'a S,
    /// The service of the reservation.
    pub service: Service,
    /// Its commitment.
    pub commitment: Commitment,
    /// Where it is taken to stand.
    pub at: Position,
}

impl<S: Lookups> Ahead<'_, S> {
    fn is_ours(&self, service: &Service, commitment: &Commitment, heights: &Range<Height>) -> bool {
        *service == self.service
            && *commitment == self.commitment
            && heights.contains(&self.at.height)
    }
}

impl<S: Lookups> Lookups for Ahead<'_, S> {
    type Error = S::Error;

    fn name_of_coin(&self, coin: &OutPoint) -> Result<Option<QualifiedName>, S::Error> {
        self.state.name_of_coin(coin)
    }

    fn priority(&self, name: &QualifiedName) -> Result<Option<Position>, S::Error> {
        self.state.priority(name)
    }

    fn dormant(&self, name: &QualifiedName) -> Result<Option<Dormant>, S::Error> {
        self.state.dormant(name)
    }

    fn owner_script(&self, name: &QualifiedName) -> Result<Option<Box<[u8]>>, S::Error> {
        self.state.owner_script(name)
    }

    fn earliest(
        &self,
        service: &Service,
        commitment: &Commitment,
        heights: Range<Height>,
    ) -> Result<Option<Position>, S::Error> {
        let ours = self
            .is_ours(service, commitment, &heights)
            .then_some(self.at);
        let there = self.state.earliest(service, commitment, heights)?;
        Ok(there.into_iter().chain(ours).min())
    }

    fn unopened(
        &self,
        service: &Service,
        commitment: &Commitment,
        heights: Range<Height>,
    ) -> Result<Vec<Position>, S::Error> {
        let ours = self
            .is_ours(service, commitment, &heights)
            .then_some(self.at);
        let mut there = self.state.unopened(service, commitment, heights)?;
        there.extend(ours);
        Ok(there)
    }
}

/// What the rules say of a transaction in a block at this position.
///
/// # Errors
/// Those of the state.
pub fn decide<S: Lookups>(
    params: &Params,
    position: Position,
    transaction: &bitcoin::Transaction,
    state: &S,
) -> Result<Decision, S::Error> {
    let inputs: Vec<OutPoint> = transaction
        .input
        .iter()
        .map(|input| OutPoint {
            txid: Txid::from_bytes(input.previous_output.txid.to_byte_array()),
            vout: input.previous_output.vout,
        })
        .collect();
    let outputs: Vec<&[u8]> = transaction
        .output
        .iter()
        .map(|output| output.script_pubkey.as_bytes())
        .collect();
    let transaction = Transaction {
        txid: Txid::from_bytes(transaction.compute_txid().to_byte_array()),
        inputs: &inputs,
        outputs: &outputs,
    };
    rules::transaction(params, position, &transaction, state)
}

/// Whether a decision is the reservation of this commitment, and nothing else.
pub fn reserves(decision: Decision, service: &Service, commitment: &Commitment) -> bool {
    decision.into_effects().eq([Effect::Reserved {
        service: *service,
        commitment: *commitment,
    }])
}

/// Whether a decision is the registration of this name, or its takeover, and nothing else. The first
/// output is the owner output.
pub fn claims(decision: Decision, name: &QualifiedName, key: &Key, owner_script: &[u8]) -> bool {
    let mut effects = decision
        .into_effects()
        .skip_while(|effect| matches!(effect, Effect::Opened { .. }));
    let claimed = matches!(
        effects.next(),
        Some(Effect::Claimed { name: of, key: to, owner_script: owner, owner: coin, .. })
            if of == *name && to == *key && *owner == *owner_script && coin.vout == 0
    );
    claimed && effects.next().is_none()
}
