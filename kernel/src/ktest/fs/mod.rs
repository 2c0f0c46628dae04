//! Tests of the file layer on trees of their own: nothing is mounted where others could see it, and everything is freed.

mod contents;
mod devices;
mod names;
mod trees;

use crate::fs::context::{Caller, FsContext};
use crate::fs::dentry::Location;
use crate::fs::file_system::{Changes, FileSystem, Options};
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::inode::Owner;
use crate::fs::mount::Mount;
use crate::fs::open::How;
use crate::fs::open_file::{At, OpenFile};
use crate::fs::walk::Follow;
use crate::mm::user::{Sink, Source};
use crate::process::Credentials;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use postern_core::errno::Result;

/// All of them, each named after the behaviour.
pub const TESTS: &[(&str, fn())] = &[
    ("a_file_gives_back_what_was_written_and_zeroes_for_holes", contents::write_then_read),
    ("a_file_cut_and_grown_again_reads_as_zeroes_beyond_the_cut", contents::truncate),
    ("o_append_writes_at_the_end_wherever_the_position_is", contents::append),
    ("a_full_file_system_takes_what_fits_then_says_enospc", contents::full),
    ("an_unlinked_file_lives_until_it_is_closed_then_gives_its_pages_back", contents::unlinked),
    ("seek_data_and_seek_hole_find_the_edges_of_holes", contents::holes),
    ("punching_a_hole_frees_its_pages_and_zeroes_its_edges", contents::punch),
    ("a_mapping_shows_what_was_written_and_what_is_written_to_it", contents::mapping),
    ("seals_forbid_what_they_name", contents::seals),
    ("flock_excludes_other_openings_not_the_own", contents::flock),
    ("a_program_that_runs_cannot_be_written", contents::execution_excludes_writers),
    ("record_locks_conflict_split_and_change_by_ranges", contents::record_locks),
    ("dots_double_slashes_and_slashes_at_the_end", names::dots_and_slashes),
    ("forty_one_symbolic_links_are_one_too_many", names::symlink_limit),
    ("o_excl_and_o_nofollow_do_not_follow_the_last_link", names::last_link),
    ("o_creat_makes_the_target_of_a_dangling_link", names::dangling_link),
    ("a_name_has_255_bytes_at_most", names::name_length),
    ("rename_replaces_exchanges_and_refuses_as_told", names::rename_modes),
    ("a_directory_cannot_be_moved_below_itself", names::rename_loop),
    ("rename_of_directories_keeps_link_counts", names::rename_links),
    ("rmdir_takes_empty_directories_only", names::rmdir),
    ("hard_links_share_a_file_and_count", names::hard_links),
    ("mode_bits_and_the_sticky_bit_bind_all_but_the_superuser", names::permissions),
    ("a_set_group_id_directory_hands_its_group_down", names::set_group_id),
    ("a_cursor_in_a_directory_survives_removals", names::cursor),
    ("a_mount_covers_is_busy_while_used_and_uncovers", trees::mount),
    ("dot_dot_leaves_a_mount_through_its_mount_point", trees::parent_across_mounts),
    ("rename_and_link_do_not_cross_mounts", trees::cross_mount),
    ("a_mount_detached_lazily_lives_until_its_last_user_goes", trees::lazy_detach),
    ("a_removed_working_directory_has_a_parent_but_no_path", trees::removed_directory),
    ("chroot_confines_dot_dot_and_absolute_links", trees::chroot),
    ("a_very_deep_tree_is_freed_without_recursion", trees::deep_tree),
    ("an_initramfs_is_unpacked_with_data_in_the_last_hard_link", trees::initramfs),
    ("an_initramfs_of_several_gzip_files_is_unpacked_and_a_broken_one_is_named", trees::compressed_initramfs),
    ("a_corrupt_initramfs_is_an_error_that_names_it", trees::corrupt_initramfs),
    ("tmpfs_takes_linuxs_options_and_refuses_others", trees::tmpfs_options),
    ("a_device_number_and_a_node_name_belong_to_one_driver", devices::duplicates),
    ("a_driver_cannot_go_while_a_device_of_its_is_open", devices::busy),
    ("null_zero_and_full_behave_as_their_manuals_say", devices::memory),
];

/// A tree of its own, with somebody who looks at it.
pub(super) struct World {
    context: Arc<FsContext>,
    credentials: Credentials,
}

impl World {
    /// An empty tree, seen by the superuser.
    pub(super) fn new() -> Self {
        Self::limited(usize::MAX)
    }

    /// The same, which holds so many pages of contents.
    fn limited(limit_pages: usize) -> Self {
        prepare();
        let mount = Mount::outside(FileSystem::new(Options {
            type_name: "test",
            magic: 0,
            limit_pages,
            limit_inodes: usize::MAX,
            changes: Changes::ByPrograms,
            owner: Owner::ROOT,
            permissions: 0o755,
            computed: None,
        }));
        Self { context: FsContext::at(mount.root_location()), credentials: Credentials::root() }
    }

    /// The same tree, seen by an ordinary user of a group of the same number.
    fn seen_by(&self, uid: u32) -> Self {
        let credentials = Credentials {
            uid,
            euid: uid,
            suid: uid,
            fsuid: uid,
            gid: uid,
            egid: uid,
            sgid: uid,
            fsgid: uid,
            groups: Arc::default(),
        };
        Self { context: self.context.clone(), credentials }
    }

    pub(super) fn caller(&self) -> Caller<'_> {
        self.context.caller(&self.credentials, 0)
    }

    fn open(&self, path: &str, access: AccessMode, flags: OpenFlags) -> Result<Arc<OpenFile>> {
        let caller = self.caller();
        caller.open(&caller.cwd, path.as_bytes(), How { access, flags, permissions: 0o666 })
    }

    fn create(&self, path: &str, contents: &[u8]) {
        let file = self.open(path, AccessMode::READ_WRITE, OpenFlags::CREATE).unwrap();
        assert_eq!(write(&file, contents, At::Position), Ok(contents.len()));
    }

    fn contents(&self, path: &str) -> Result<Vec<u8>> {
        let file = self.open(path, AccessMode::READ, OpenFlags::empty())?;
        let size = usize::try_from(file.location().inode().size()).unwrap();
        read(&file, size, At::Position)
    }

    fn mkdir(&self, path: &str) -> Result<()> {
        let caller = self.caller();
        caller.make_directory(&caller.cwd, path.as_bytes(), 0o777)
    }

    fn symlink(&self, target: &str, path: &str) -> Result<()> {
        let caller = self.caller();
        caller.make_symlink(target.as_bytes(), &caller.cwd, path.as_bytes())
    }

    fn find(&self, path: &str) -> Result<Location> {
        let caller = self.caller();
        caller.existing(&caller.cwd, path.as_bytes(), Follow::NotLast)
    }

    fn links(&self, path: &str) -> u32 {
        self.find(path).unwrap().inode().attributes().links
    }
}

/// Makes what there is one of: the root, devtmpfs, procfs, the character-device table.
pub fn prepare() {
    static READY: spin::Once = spin::Once::new();
    READY.call_once(|| {
        crate::fs::init().unwrap();
        crate::drivers::init().unwrap();
    });
}

fn read(file: &OpenFile, length: usize, at: At) -> Result<Vec<u8>> {
    let mut buffer = vec![0xee; length];
    let bytes = file.read(&mut Sink::from_slice(&mut buffer), at)?;
    buffer.truncate(bytes);
    Ok(buffer)
}

fn write(file: &OpenFile, bytes: &[u8], at: At) -> Result<usize> {
    file.write(&mut Source::from_slice(bytes), at)
}
