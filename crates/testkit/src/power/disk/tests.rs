//! The disk without SQLite: what may be found after a loss of power, by many seeds.

use std::collections::BTreeSet;

use super::*;

const NAME: &str = "/data/store.db";

fn synced(disk: &mut Disk, name: &str, content: &[u8]) -> FileId {
    let id = disk.open(name, Opening::Create).unwrap();
    disk.write(id, 0, content).unwrap();
    sync(disk, id).unwrap();
    disk.sync_directory(name).unwrap();
    id
}

fn sync(disk: &mut Disk, id: FileId) -> Result<(), DiskError> {
    let mark = disk.begin_sync(id).unwrap();
    disk.finish_sync(id, mark)
}

/// What a file holds, as reads see it; `None` when there is none.
fn content(disk: &Disk, name: &str) -> Option<Vec<u8>> {
    disk.names.get(name).map(|id| disk.files[id].cached.clone())
}

/// All that may be found after a loss of power, by many seeds.
fn found(disk: &Disk, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    (0..400).map(|seed| content(&disk.after_power_loss(seed), name)).collect()
}

#[test]
fn what_was_synced_survives_every_cut() {
    let mut disk = Disk::new();
    synced(&mut disk, NAME, b"kept");
    assert_eq!(found(&disk, NAME), BTreeSet::from([Some(b"kept".to_vec())]));
    assert_eq!(disk.unsynced(), 0);
}

#[test]
fn an_unsynced_write_is_kept_or_lost() {
    let mut disk = Disk::new();
    let id = synced(&mut disk, NAME, b"old");
    disk.write(id, 0, b"new").unwrap();
    assert_eq!(content(&disk, NAME), Some(b"new".to_vec()), "reads see it at once");
    let expected = [b"old", b"new"].map(|text| Some(text.to_vec()));
    assert_eq!(found(&disk, NAME), BTreeSet::from(expected));
}

#[test]
fn a_write_tears_between_sectors_and_never_inside_one() {
    let mut disk = Disk::new();
    let id = synced(&mut disk, NAME, &[0; 3 * SECTOR]);
    disk.write(id, 100, &[1; 2 * SECTOR]).unwrap();
    let mut sectors = BTreeSet::new();
    for image in found(&disk, NAME).into_iter().flatten() {
        let written = [100, SECTOR, 2 * SECTOR].map(|at| image[at] == 1);
        let mut expected = vec![0; 3 * SECTOR];
        for (sector, &written) in written.iter().enumerate() {
            if written {
                let start = (sector * SECTOR).max(100);
                let end = ((sector + 1) * SECTOR).min(100 + 2 * SECTOR);
                expected[start..end].fill(1);
            }
        }
        assert_eq!(image, expected);
        sectors.insert(written);
    }
    assert_eq!(sectors.len(), 8, "every combination of the three sectors turns up");
}

#[test]
fn a_later_write_may_survive_an_earlier_one_but_brings_its_own_sector_whole() {
    let mut disk = Disk::new();
    let id = synced(&mut disk, NAME, &[0; 2 * SECTOR]);
    disk.write(id, 0, &[1]).unwrap();
    disk.write(id, SECTOR, &[2]).unwrap();
    disk.write(id, SECTOR + 1, &[3]).unwrap();
    let seen: BTreeSet<_> = found(&disk, NAME)
        .into_iter()
        .flatten()
        .map(|image| (image[0], image[SECTOR], image[SECTOR + 1]))
        .collect();
    let sectors = [(0, 0, 0), (0, 2, 0), (0, 2, 3), (1, 0, 0), (1, 2, 0), (1, 2, 3)];
    assert_eq!(seen, BTreeSet::from(sectors));
}

#[test]
fn writes_to_two_files_survive_in_any_order() {
    let mut disk = Disk::new();
    let first = synced(&mut disk, "/a", b"0");
    let second = synced(&mut disk, "/b", b"0");
    disk.write(first, 0, b"1").unwrap();
    disk.write(second, 0, b"1").unwrap();
    let seen: BTreeSet<_> = (0..400)
        .map(|seed| disk.after_power_loss(seed))
        .map(|found| (content(&found, "/a"), content(&found, "/b")))
        .collect();
    assert_eq!(seen.len(), 4);
}

#[test]
fn a_truncation_is_pending_like_a_write() {
    let mut disk = Disk::new();
    let id = synced(&mut disk, NAME, b"long");
    disk.truncate(id, 0).unwrap();
    assert_eq!(found(&disk, NAME), BTreeSet::from([Some(vec![]), Some(b"long".to_vec())]));
    sync(&mut disk, id).unwrap();
    assert_eq!(found(&disk, NAME), BTreeSet::from([Some(vec![])]));
}

#[test]
fn names_are_durable_after_the_sync_of_their_directory() {
    let mut disk = Disk::new();
    let id = disk.open(NAME, Opening::Create).unwrap();
    disk.write(id, 0, b"x").unwrap();
    sync(&mut disk, id).unwrap();
    let created = BTreeSet::from([None, Some(b"x".to_vec())]);
    assert_eq!(found(&disk, NAME), created, "a synced file may still have no name");
    disk.sync_directory("/elsewhere/other.db").unwrap();
    assert_eq!(found(&disk, NAME), created);
    disk.sync_directory(NAME).unwrap();
    assert_eq!(found(&disk, NAME), BTreeSet::from([Some(b"x".to_vec())]));

    disk.delete(NAME).unwrap();
    assert!(!disk.exists(NAME));
    assert_eq!(found(&disk, NAME), created, "a deleted file may come back");
    disk.sync_directory(NAME).unwrap();
    assert_eq!(found(&disk, NAME), BTreeSet::from([None]));
}

#[test]
fn a_sync_covers_what_was_written_before_it_began() {
    let mut disk = Disk::new();
    let id = synced(&mut disk, NAME, b"00");
    disk.write(id, 0, b"1").unwrap();
    let mark = disk.begin_sync(id).unwrap();
    disk.write(id, 1, b"2").unwrap();
    let overlapping = disk.begin_sync(id).unwrap();
    disk.finish_sync(id, mark).unwrap();
    assert_eq!(disk.files[&id].durable, b"10");
    disk.finish_sync(id, overlapping).unwrap();
    disk.finish_sync(id, mark).unwrap();
    assert_eq!(disk.files[&id].durable, b"12");
}

#[test]
fn a_failed_sync_makes_nothing_durable() {
    let mut disk = Disk::new();
    let id = synced(&mut disk, NAME, b"old");
    disk.write(id, 0, b"new").unwrap();
    disk.fail_next_syncs(1);
    assert_eq!(sync(&mut disk, id), Err(DiskError::SyncFailed));
    assert_eq!(disk.files[&id].durable, b"old");
    assert_eq!(sync(&mut disk, id), Ok(()));
    assert_eq!(disk.files[&id].durable, b"new");
}

#[test]
fn a_full_disk_refuses_growth_only() {
    let mut disk = Disk::new();
    let id = synced(&mut disk, NAME, b"four");
    disk.limit_growth(2);
    assert_eq!(disk.write(id, 4, b"abc"), Err(DiskError::Full));
    assert_eq!(disk.write(id, 4, b"ab"), Ok(()));
    assert_eq!(disk.write(id, 0, b"over"), Ok(()));
    assert_eq!(disk.write(id, 6, b"c"), Err(DiskError::Full));
    disk.truncate(id, 0).unwrap();
    assert_eq!(disk.write(id, 0, b"sixsix"), Ok(()));
}

#[test]
fn deleted_files_give_their_room_back_when_closed() {
    let mut disk = Disk::new();
    let id = synced(&mut disk, NAME, b"four");
    disk.delete(NAME).unwrap();
    disk.sync_directory(NAME).unwrap();
    assert_eq!(disk.size(id), Ok(4), "who has it open keeps it");
    disk.close(id);
    assert_eq!((disk.used, disk.files.len()), (0, 0));
}

#[test]
fn without_power_nothing_works_and_one_seed_finds_one_disk() {
    let mut disk = Disk::new();
    let id = synced(&mut disk, NAME, &[0; 4096]);
    disk.write(id, 0, &[1; 4096]).unwrap();
    let mark = disk.begin_sync(id).unwrap();
    disk.lose_power();
    assert_eq!(disk.finish_sync(id, mark), Err(DiskError::PowerLost), "a sync under way");
    assert_eq!(disk.write(id, 0, b"late"), Err(DiskError::PowerLost));
    assert_eq!(disk.read(id, 0, &mut [0]), Err(DiskError::PowerLost));
    assert_eq!(disk.open(NAME, Opening::Create), Err(DiskError::PowerLost));
    assert_eq!(disk.delete(NAME), Err(DiskError::PowerLost));
    let before = found(&disk, NAME);
    disk.close(id);
    assert_eq!(found(&disk, NAME), before);
    let twice = [7, 7].map(|seed| content(&disk.after_power_loss(seed), NAME));
    assert_eq!(twice[0], twice[1]);
}

#[test]
fn files_are_created_as_asked_for() {
    let mut disk = Disk::new();
    assert_eq!(disk.open(NAME, Opening::Existing), Err(DiskError::NotFound));
    let id = disk.open(NAME, Opening::CreateNew).unwrap();
    assert_eq!(disk.open(NAME, Opening::CreateNew), Err(DiskError::Exists));
    assert_eq!(disk.open(NAME, Opening::Existing), Ok(id));
    assert_eq!(disk.delete("/other"), Err(DiskError::NotFound));
}
