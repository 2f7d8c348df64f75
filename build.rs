//! A new migration is a reason to build again: sqlx puts the folder into the program.
fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
