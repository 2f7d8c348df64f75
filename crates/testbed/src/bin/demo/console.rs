//! The end: one withdrawal is left for whoever reads, who is invited to decide on it in a browser.

use serde_json::Value;

use crate::{
    Failure,
    scene::Scene,
    story::{ask, chapter, text},
};

/// What waits, and how it stood when it was last looked at.
pub(crate) struct Waiting {
    id: String,
    state: String,
}

/// A withdrawal that lacks Carol's approval, and Carol's invitation. The link is printed here and written nowhere.
pub(crate) async fn invite(scene: &Scene<'_>, number: u32) -> Result<Waiting, Failure> {
    chapter(number, "Yours to decide: one more withdrawal waits");
    let to = scene.litecoind()?.outside_address()?;
    let id = ask(scene, "LTC", "3", &to, &["--wallet", "hot-ltc"])?;
    let document = scene.ctl("operator/bob", &["approve", &id, "--yes"])?;
    let state = text(&document["state"]);
    println!("    operator/bob approved; still {state}: it takes one more of treasury");
    println!("    dave proposes to invite carol to the console, alice and bob agree, 3 s pass");
    let invitations = scene.house.invite(&["carol"]).await?;
    let invitation = invitations.first().ok_or("nobody was invited")?;
    let console = scene.house.console();
    println!(
        "\n  The console is at {console}/console\n\n  Open this link in a browser on this machine; it is good once, for an hour:\n\n    \
         {console}/console/enrol#{}\n\n  Make a passkey as carol, sign in with it, and approve the withdrawal that waits.",
        invitation.secret()
    );
    Ok(Waiting { id, state })
}

impl Waiting {
    /// Says what became of it since the last time.
    pub(crate) async fn look(&mut self, scene: &Scene<'_>) -> Result<(), Failure> {
        let alice = scene.house.client_as("operator/alice")?;
        let document: Value = alice.get(&format!("/v1/withdrawals/{}", self.id)).await?;
        let state = text(&document["state"]);
        if state != self.state {
            println!("  {} is {} now", self.id, state.replace('_', " "));
            self.state = state;
        }
        Ok(())
    }
}
