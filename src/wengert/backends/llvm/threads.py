"""A pool of native threads: ``wengert.parallel(task, context, count)`` runs tasks by number.

Which thread runs which task is left open, what a task does depends on its number alone; so results
do not depend on `config.num_threads`. The pool serves one caller at a time; whoever finds it taken,
a task that asks again and a process after `fork` included, runs its tasks by itself.
"""

from __future__ import annotations

import os
from typing import Any

from ...config import config
from . import engine
from .cache import object_code

# What compiled programs call: void (ptr task, ptr context, i64 count), where a task is
# void (ptr context, i64 number).
PARALLEL = "wengert.parallel"
_THREADS = "wengert.threads"

# How often a thread offers its processor to others before it goes to sleep: about 20 µs.
_PATIENCE = 60
# Room for the types of pthread.h and signal.h, whatever the system.
_ROOM = 256

_NAMES = (
    ("mutex", f"[{_ROOM} x i8] zeroinitializer"),
    ("work", f"[{_ROOM} x i8] zeroinitializer"),
    ("done", f"[{_ROOM} x i8] zeroinitializer"),
    ("owner", "i64 0"),  # the process whose caller has the pool
    ("process", "i64 0"),  # the process that the threads belong to
    ("workers", "i64 0"),
    ("helpers", "i64 0"),  # how many of them may help with the present job
    ("active", "i64 0"),  # how many do
    ("open", "i64 0"),
    ("job", "i64 0"),
    ("task", "ptr null"),
    ("context", "ptr null"),
    ("count", "i64 0"),
    ("next", "i64 0"),
)

_STATE = "\n".join(f"@{name} = internal global {value}, align 64" for name, value in _NAMES)


def _one_after_the_other(head: str) -> str:
    """Return the definition of a function that runs the tasks in their order, by itself."""
    return f"""
define {head}(ptr %task, ptr %context, i64 %count) {{
entry:
  br label %head
head:
  %number = phi i64 [ 0, %entry ], [ %following, %run ]
  %more = icmp slt i64 %number, %count
  br i1 %more, label %run, label %leave
run:
  call void %task(ptr %context, i64 %number)
  %following = add i64 %number, 1
  br label %head
leave:
  ret void
}}
"""


_TEXT = f"""
{_STATE}
@"{_THREADS}" = external global i64

declare i32 @getpid()
declare i32 @sched_yield()
declare i32 @sigfillset(ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(ptr)
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)
declare i64 @llvm.smin.i64(i64, i64)

; Take task after task of the present job.
define internal void @tasks(ptr %task, ptr %context, i64 %count) noinline {{
entry:
  br label %take
take:
  %number = atomicrmw add ptr @next, i64 1 monotonic
  %more = icmp slt i64 %number, %count
  br i1 %more, label %run, label %leave
run:
  call void %task(ptr %context, i64 %number)
  br label %take
leave:
  ret void
}}

{_one_after_the_other("internal void @alone")}

; What a thread of the pool does for ever.
define internal ptr @worker(ptr %nothing) {{
entry:
  %locked.first = call i32 @pthread_mutex_lock(ptr @mutex)
  br label %look
look:
  %seen = phi i64 [ 0, %entry ], [ %seen, %sleep ], [ %job, %too.many ], [ %job, %finished ]
  %job = load i64, ptr @job
  %open = load i64, ptr @open
  %new = icmp ne i64 %job, %seen
  %is.open = icmp ne i64 %open, 0
  %wanted = and i1 %new, %is.open
  br i1 %wanted, label %join, label %sleep
sleep:
  %slept = call i32 @pthread_cond_wait(ptr @work, ptr @mutex)
  br label %look
join:
  %active = load i64, ptr @active
  %helpers = load i64, ptr @helpers
  %welcome = icmp slt i64 %active, %helpers
  br i1 %welcome, label %help, label %too.many
too.many:
  br label %look
help:
  %one.more = add i64 %active, 1
  store atomic i64 %one.more, ptr @active monotonic, align 8
  %task = load ptr, ptr @task
  %context = load ptr, ptr @context
  %count = load i64, ptr @count
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  call void @tasks(ptr %task, ptr %context, i64 %count)
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  %active.now = load i64, ptr @active
  %one.less = sub i64 %active.now, 1
  store atomic i64 %one.less, ptr @active release, align 8
  %told = call i32 @pthread_cond_broadcast(ptr @done)
  %let.go = call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %wait
wait:
  ; The next job often follows at once.
  %turn = phi i64 [ 0, %help ], [ %turn.next, %still ]
  %job.now = load atomic i64, ptr @job monotonic, align 8
  %changed = icmp ne i64 %job.now, %job
  %tired = icmp uge i64 %turn, {_PATIENCE}
  %enough = or i1 %changed, %tired
  br i1 %enough, label %finished, label %still
still:
  %yielded = call i32 @sched_yield()
  %turn.next = add i64 %turn, 1
  br label %wait
finished:
  %locked.again = call i32 @pthread_mutex_lock(ptr @mutex)
  br label %look
}}

; Start threads until there are so many; they leave signals to the threads of the program.
define internal void @start(i64 %wanted) noinline cold {{
entry:
  %all = alloca [{_ROOM} x i8], align 16
  %before = alloca [{_ROOM} x i8], align 16
  %thread = alloca ptr
  %filled = call i32 @sigfillset(ptr %all)
  %blocked = call i32 @pthread_sigmask(i32 SETMASK, ptr %all, ptr %before)
  br label %head
head:
  %workers = load i64, ptr @workers
  %more = icmp slt i64 %workers, %wanted
  br i1 %more, label %create, label %leave
create:
  %failure = call i32 @pthread_create(ptr %thread, ptr null, ptr @worker, ptr null)
  %failed = icmp ne i32 %failure, 0
  br i1 %failed, label %leave, label %created
created:
  %handle = load ptr, ptr %thread
  %detached = call i32 @pthread_detach(ptr %handle)
  %workers.now = add i64 %workers, 1
  store i64 %workers.now, ptr @workers
  br label %head
leave:
  %restored = call i32 @pthread_sigmask(i32 SETMASK, ptr %before, ptr null)
  ret void
}}

define void @"{PARALLEL}"(ptr %task, ptr %context, i64 %count) {{
entry:
  %threads = load atomic i64, ptr @"{_THREADS}" monotonic, align 8
  %useful = call i64 @llvm.smin.i64(i64 %threads, i64 %count)
  %wanted = sub i64 %useful, 1
  %several = icmp sgt i64 %wanted, 0
  br i1 %several, label %ask, label %serial
serial:
  call void @alone(ptr %task, ptr %context, i64 %count)
  ret void
ask:
  %pid = call i32 @getpid()
  %me = sext i32 %pid to i64
  %owner = load atomic i64, ptr @owner monotonic, align 8
  ; A process that was forked while its parent used the pool finds its parent's number there.
  %mine.already = icmp eq i64 %owner, %me
  br i1 %mine.already, label %serial, label %claim
claim:
  %pair = cmpxchg ptr @owner, i64 %owner, i64 %me acquire monotonic
  %got = extractvalue {{i64, i1}} %pair, 1
  br i1 %got, label %taken, label %serial
taken:
  %process = load i64, ptr @process
  %same = icmp eq i64 %process, %me
  br i1 %same, label %ready, label %fresh
fresh:
  %made.mutex = call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  %made.work = call i32 @pthread_cond_init(ptr @work, ptr null)
  %made.done = call i32 @pthread_cond_init(ptr @done, ptr null)
  store i64 0, ptr @workers
  store i64 0, ptr @active
  store i64 0, ptr @open
  store i64 %me, ptr @process
  br label %ready
ready:
  %workers = load i64, ptr @workers
  %short = icmp slt i64 %workers, %wanted
  br i1 %short, label %hire, label %publish
hire:
  call void @start(i64 %wanted)
  br label %publish
publish:
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  store ptr %task, ptr @task
  store ptr %context, ptr @context
  store i64 %count, ptr @count
  store i64 %wanted, ptr @helpers
  store atomic i64 0, ptr @next monotonic, align 8
  store i64 1, ptr @open
  %job = load i64, ptr @job
  %job.next = add i64 %job, 1
  store atomic i64 %job.next, ptr @job monotonic, align 8
  %told = call i32 @pthread_cond_broadcast(ptr @work)
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  call void @tasks(ptr %task, ptr %context, i64 %count)
  %locked.again = call i32 @pthread_mutex_lock(ptr @mutex)
  store i64 0, ptr @open
  %unlocked.again = call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %wait
wait:
  %turn = phi i64 [ 0, %publish ], [ %turn.next, %still ]
  %active = load atomic i64, ptr @active acquire, align 8
  %all.back = icmp eq i64 %active, 0
  br i1 %all.back, label %release, label %tired
tired:
  %enough = icmp uge i64 %turn, {_PATIENCE}
  br i1 %enough, label %sleep, label %still
still:
  %yielded = call i32 @sched_yield()
  %turn.next = add i64 %turn, 1
  br label %wait
sleep:
  %locked.last = call i32 @pthread_mutex_lock(ptr @mutex)
  br label %sleeping
sleeping:
  %active.now = load i64, ptr @active
  %none = icmp eq i64 %active.now, 0
  br i1 %none, label %awake, label %sleep.more
sleep.more:
  %slept = call i32 @pthread_cond_wait(ptr @done, ptr @mutex)
  br label %sleeping
awake:
  %unlocked.last = call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %release
release:
  store atomic i64 0, ptr @owner release, align 8
  ret void
}}
"""

# Where there are no POSIX threads, tasks run so too.
_SERIAL = _one_after_the_other(f'void @"{PARALLEL}"')

_held: list[Any] = []


def _text() -> str:
    if os.name != "posix":
        return _SERIAL
    import signal

    return _TEXT.replace("SETMASK", str(int(signal.SIG_SETMASK)))


def make_available() -> None:
    """Make `PARALLEL` known to the linker; no thread starts before the first job."""
    with engine.lock:
        if _held:
            return
        engine.define_symbols({_THREADS: config.threads_address})
        text = _text()
        externals = [_THREADS] if _THREADS in text else []
        code = engine.link([object_code(text, 0)], [PARALLEL], externals)
        engine.define_symbols({PARALLEL: code.addresses[PARALLEL]})
        _held.append(code)
