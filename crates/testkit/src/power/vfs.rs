//! The bridge to SQLite: turns its C calls into calls of [`OpenFile`] and errors into its codes.
//! All unsafe code of the crate is here, and none of the behaviour.
//!
//! Ownership: a registered `sqlite3_vfs` is never freed, because SQLite gives no sign when its last
//! connection stops using it; it refers to its machine weakly, so that a dropped [`super::PowerVfs`]
//! leaks some hundred bytes and no file. An open file owns its [`OpenFile`] through one pointer.
#![expect(unsafe_code, reason = "a SQLite VFS is a table of C functions")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use libsqlite3_sys as ffi;

use super::FileKind;
use super::disk::{DiskError, Opening, SECTOR};
use super::locks::Level;
use super::machine::{Machine, OpenFile, OpenOptions};
use super::shm::ShmMode;

/// The longest path, in bytes with its final zero.
const MAX_PATH: c_int = 512;

/// Registers a VFS for the machine under a new name.
pub(super) fn register(machine: &Arc<Machine>) -> &'static CStr {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let text = format!("power-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let name: &'static CStr = Box::leak(CString::new(text).unwrap_or_default().into_boxed_c_str());
    let weak: *mut Weak<Machine> = Box::into_raw(Box::new(Arc::downgrade(machine)));
    let vfs = Box::into_raw(Box::new(ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: number(size_of::<RawFile>()),
        mxPathname: MAX_PATH,
        pNext: ptr::null_mut(),
        zName: name.as_ptr(),
        pAppData: weak.cast(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xGetLastError: None,
        xCurrentTimeInt64: Some(current_time_millis),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }));
    // SAFETY: the table and what it points to are never freed.
    let code = unsafe { ffi::sqlite3_vfs_register(vfs, 0) };
    assert_eq!(code, ffi::SQLITE_OK, "SQLite cannot be initialised");
    name
}

/// Takes a name away; connections that use it stay usable.
pub(super) fn unregister(name: &'static CStr) {
    // SAFETY: the name is a C string, and SQLite ignores a null pointer, its answer for an unknown
    // name. The table itself stays, for connections that are still open.
    unsafe { ffi::sqlite3_vfs_unregister(ffi::sqlite3_vfs_find(name.as_ptr())) };
}

/// What SQLite allocates for an open file: its own header first, then our pointer.
#[repr(C)]
struct RawFile {
    header: ffi::sqlite3_file,
    file: *mut OpenFile,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Version 2 has shared memory; version 3 adds memory mapping, which would go around the disk.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

// ---- the VFS itself ----

/// # Safety
/// `vfs` is a table that [`register`] made.
unsafe fn machine(vfs: *mut ffi::sqlite3_vfs) -> Option<Arc<Machine>> {
    // SAFETY: the table and the weak reference in it are never freed.
    unsafe { (*(*vfs).pAppData.cast::<Weak<Machine>>()).upgrade() }
}

/// # Safety
/// `name` is a C string that lives during the call.
unsafe fn text(name: *const c_char) -> String {
    // SAFETY: promised by the caller.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let raw = file.cast::<RawFile>();
    // SAFETY: SQLite allocated `szOsFile` bytes; null methods tell it not to close after a failure.
    unsafe { (*raw).header.pMethods = ptr::null() };
    // SAFETY: SQLite passes its own table, and a C string or null for a temporary file.
    let (machine, name) = unsafe { (machine(vfs), (!name.is_null()).then(|| text(name))) };
    let Some(machine) = machine else { return ffi::SQLITE_CANTOPEN };
    match OpenFile::open(machine, name, options(flags)) {
        Ok(opened) => {
            // SAFETY: as above; `out_flags` is null or a place for the answer.
            unsafe {
                (*raw).file = Box::into_raw(Box::new(opened));
                (*raw).header.pMethods = &raw const METHODS;
                if !out_flags.is_null() {
                    *out_flags = flags;
                }
            }
            ffi::SQLITE_OK
        }
        Err(_) => ffi::SQLITE_CANTOPEN,
    }
}

fn options(flags: c_int) -> OpenOptions {
    let has = |flag: c_int| flags & flag != 0;
    let opening = match (has(ffi::SQLITE_OPEN_CREATE), has(ffi::SQLITE_OPEN_EXCLUSIVE)) {
        (true, true) => Opening::CreateNew,
        (true, false) => Opening::Create,
        (false, _) => Opening::Existing,
    };
    let kind = if has(ffi::SQLITE_OPEN_MAIN_DB) {
        FileKind::Database
    } else if has(ffi::SQLITE_OPEN_WAL) {
        FileKind::Wal
    } else if has(ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL) {
        FileKind::Journal
    } else {
        FileKind::Temporary
    };
    OpenOptions { opening, kind, delete_on_close: has(ffi::SQLITE_OPEN_DELETEONCLOSE) }
}

unsafe extern "C" fn delete(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_directory: c_int,
) -> c_int {
    // SAFETY: SQLite passes its own table and a C string.
    let (machine, name) = unsafe { (machine(vfs), text(name)) };
    let Some(machine) = machine else { return ffi::SQLITE_IOERR_DELETE };
    let deleted = machine.disk(|disk| {
        disk.delete(&name)?;
        if sync_directory == 0 { Ok(()) } else { disk.sync_directory(&name) }
    });
    match deleted {
        Err(DiskError::NotFound) => ffi::SQLITE_IOERR_DELETE_NOENT,
        other => code(other, ffi::SQLITE_IOERR_DELETE),
    }
}

unsafe extern "C" fn access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes its own table, a C string and a place for the answer.
    unsafe {
        let name = text(name);
        let exists = machine(vfs).is_some_and(|machine| machine.disk(|disk| disk.exists(&name)));
        *out = c_int::from(exists);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite passes a C string, and `room` bytes that do not overlap it.
    unsafe {
        let name = CStr::from_ptr(name).to_bytes_with_nul();
        if name.len() > size(room) {
            return ffi::SQLITE_CANTOPEN;
        }
        ptr::copy_nonoverlapping(name.as_ptr().cast(), out, name.len());
    }
    ffi::SQLITE_OK
}

// What has nothing to do with the disk is answered by the default VFS.

unsafe extern "C" fn randomness(_: *mut ffi::sqlite3_vfs, bytes: c_int, out: *mut c_char) -> c_int {
    // SAFETY: the default VFS gets the arguments that SQLite passed.
    unsafe {
        let vfs = default_vfs();
        (*vfs).xRandomness.map_or(0, |randomness| randomness(vfs, bytes, out))
    }
}

unsafe extern "C" fn sleep(_: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    // SAFETY: as in `randomness`.
    unsafe {
        let vfs = default_vfs();
        (*vfs).xSleep.map_or(0, |sleep| sleep(vfs, microseconds))
    }
}

unsafe extern "C" fn current_time(_: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: as in `randomness`.
    unsafe {
        let vfs = default_vfs();
        (*vfs).xCurrentTime.map_or(ffi::SQLITE_ERROR, |now| now(vfs, out))
    }
}

unsafe extern "C" fn current_time_millis(
    _: *mut ffi::sqlite3_vfs,
    out: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: as in `randomness`.
    unsafe {
        let vfs = default_vfs();
        (*vfs).xCurrentTimeInt64.map_or(ffi::SQLITE_ERROR, |now| now(vfs, out))
    }
}

fn default_vfs() -> *mut ffi::sqlite3_vfs {
    // SAFETY: null asks for the default VFS, which SQLite has registered when it calls ours.
    unsafe { ffi::sqlite3_vfs_find(ptr::null()) }
}

// ---- an open file ----

/// # Safety
/// `file` was opened by [`open`] and is not closed during the borrow.
unsafe fn opened<'a>(file: *mut ffi::sqlite3_file) -> &'a OpenFile {
    // SAFETY: promised by the caller; `OpenFile` is only ever borrowed shared.
    unsafe { &*(*file.cast::<RawFile>()).file }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once and does not use it afterwards.
    drop(unsafe {
        Box::from_raw(mem::replace(&mut (*file.cast::<RawFile>()).file, ptr::null_mut()))
    });
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    out: *mut c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    let amount = size(amount);
    // SAFETY: SQLite passes `amount` bytes to fill; they are set before a slice is made of them.
    let (file, out) = unsafe {
        ptr::write_bytes(out.cast::<u8>(), 0, amount);
        (opened(file), std::slice::from_raw_parts_mut(out.cast::<u8>(), amount))
    };
    match file.read(size(offset), out) {
        Ok(copied) if copied == amount => ffi::SQLITE_OK,
        Ok(_) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(_) => ffi::SQLITE_IOERR_READ,
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    data: *const c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite passes `amount` bytes that stay as they are during the call.
    let (file, data) =
        unsafe { (opened(file), std::slice::from_raw_parts(data.cast::<u8>(), size(amount))) };
    code(file.write(size(offset), data), ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, bytes: ffi::sqlite3_int64) -> c_int {
    // SAFETY: SQLite calls this between `open` and `close`.
    code(unsafe { opened(file) }.truncate(size(bytes)), ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite calls this between `open` and `close`.
    code(unsafe { opened(file) }.sync(), ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(
    file: *mut ffi::sqlite3_file,
    out: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls this between `open` and `close`.
    match unsafe { opened(file) }.size() {
        Ok(bytes) => {
            // SAFETY: SQLite passes a place for the answer.
            unsafe { *out = number(bytes) };
            ffi::SQLITE_OK
        }
        Err(_) => ffi::SQLITE_IOERR_FSTAT,
    }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, wanted: c_int) -> c_int {
    let Some(level) = level(wanted) else { return ffi::SQLITE_OK };
    // SAFETY: SQLite calls this between `open` and `close`.
    if unsafe { opened(file) }.lock(level) { ffi::SQLITE_OK } else { ffi::SQLITE_BUSY }
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, wanted: c_int) -> c_int {
    // SAFETY: SQLite calls this between `open` and `close`.
    unsafe { opened(file) }.unlock(level(wanted));
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: SQLite calls this between `open` and `close`, with a place for the answer.
    unsafe { *out = c_int::from(opened(file).reserved()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(
    _file: *mut ffi::sqlite3_file,
    _operation: c_int,
    _argument: *mut c_void,
) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    number(SECTOR)
}

/// As SQLite's own VFS: a write leaves the bytes beside it alone, and nothing more is promised.
unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

// ---- its shared memory ----

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    index: c_int,
    bytes: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite calls this between `open` and `close`, with a place for the answer, and uses
    // the address until `shm_unmap`.
    unsafe {
        let region = opened(file).shm_region(size(index), size(bytes), extend != 0);
        *out = region.unwrap_or(ptr::null_mut());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: SQLite calls this between `open` and `close`.
    let file = unsafe { opened(file) };
    let mask = (first..first + count).fold(0_u8, |mask, lock| mask | 1 << (lock & 7));
    let mode =
        if flags & ffi::SQLITE_SHM_EXCLUSIVE == 0 { ShmMode::Shared } else { ShmMode::Exclusive };
    if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
        file.shm_unlock(mask);
        ffi::SQLITE_OK
    } else if file.shm_lock(mask, mode) {
        ffi::SQLITE_OK
    } else {
        ffi::SQLITE_BUSY
    }
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: SQLite calls this between `open` and `close`.
    unsafe { opened(file) }.shm_barrier();
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: SQLite calls this between `open` and `close`.
    unsafe { opened(file) }.shm_detach();
    ffi::SQLITE_OK
}

// ---- numbers and codes ----

/// A length or offset, which SQLite never makes negative.
fn size(number: impl TryInto<usize>) -> usize {
    number.try_into().unwrap_or(0)
}

/// A length as SQLite's integers hold it.
fn number<N: TryFrom<usize> + Default>(size: usize) -> N {
    N::try_from(size).unwrap_or_default()
}

fn level(lock: c_int) -> Option<Level> {
    match lock {
        ffi::SQLITE_LOCK_SHARED => Some(Level::Shared),
        ffi::SQLITE_LOCK_RESERVED => Some(Level::Reserved),
        ffi::SQLITE_LOCK_PENDING => Some(Level::Pending),
        ffi::SQLITE_LOCK_EXCLUSIVE => Some(Level::Exclusive),
        _ => None,
    }
}

/// SQLite's code for an outcome; `otherwise` is the code for what is not a full disk.
fn code(outcome: Result<(), DiskError>, otherwise: c_int) -> c_int {
    match outcome {
        Ok(()) => ffi::SQLITE_OK,
        Err(DiskError::Full) => ffi::SQLITE_FULL,
        Err(_) => otherwise,
    }
}
