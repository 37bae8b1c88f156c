// Which of the places that a subgroup's lanes take among them a lane has. Here: its own.
fn place_of(lane: u32) -> u32 { return lane; }
