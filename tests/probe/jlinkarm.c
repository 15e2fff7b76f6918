/*
 * A J-Link library for tests: it exports the documented JLINKARM_* functions, and forwards each call over a
 * local socket to the model of a probe, which is written in Python (server.py).
 *
 * Names and signatures are those that the public package pylink-square uses. A call is one request and one
 * reply, in the byte order of the machine:
 *
 *     request:  operation, a, b, c, size (32 bits each), then size bytes
 *     reply:    result, size (32 bits each), then size bytes
 *
 * Two environment variables steer it. WEST_QSPI_PROBE_SOCKET is the path of the socket. Loaded with LD_PRELOAD
 * it also takes the place of the C library's sleeps: a thread that has a probe open does not sleep, the modelled
 * clock is moved instead, and its own clock is put forward by as much. A process whose socket is closed by the
 * other side ends, so that nothing is left of a test that was killed.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* The same numbers are in protocol.py. */
enum operation {
    LIST = 1, SELECT, SELECT_IP, OPEN, CLOSE, COMMAND, READ_MEMORY, WRITE_MEMORY, READ_DAP, WRITE_DAP,
    IS_HALTED, HALT, GO, RESET, READ_REGISTER, WRITE_REGISTER, SPEED, SUPPLY, SERIAL, SLEEP, PIN, IS_CONNECTED,
    CONNECT, LIFELINE, NOTE, CORE
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int connection = -1;
static __thread int uses_probe;

static int connected_socket(void)
{
    const char *path = getenv("WEST_QSPI_PROBE_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || strlen(path) >= sizeof address.sun_path)
        return -1;
    strcpy(address.sun_path, path);
    int handle = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (handle >= 0 && connect(handle, (struct sockaddr *)&address, sizeof address) != 0) {
        close(handle);
        handle = -1;
    }
    return handle;
}

static int put(int handle, const void *data, size_t size)
{
    for (const char *at = data; size > 0;) {
        ssize_t done = send(handle, at, size, MSG_NOSIGNAL);
        if (done <= 0 && errno != EINTR)
            return 0;
        if (done > 0)
            at += done, size -= done;
    }
    return 1;
}

static int get(int handle, void *data, size_t size)
{
    for (char *at = data; size > 0;) {
        ssize_t done = recv(handle, at, size, 0);
        if (done == 0 || (done < 0 && errno != EINTR))
            return 0;
        if (done > 0)
            at += done, size -= done;
    }
    return 1;
}

/* The other side never answers on this socket: what is received is its end. */
static void *wait_for_the_end(void *unused)
{
    int handle = connected_socket();
    uint32_t request[5] = {LIFELINE, (uint32_t)getpid(), 0, 0, 0};
    char byte;
    (void)unused;
    if (handle >= 0 && put(handle, request, sizeof request))
        get(handle, &byte, 1);
    _exit(1);
}

static int start(void)
{
    pthread_t thread;
    if (connection >= 0)
        return 1;
    connection = connected_socket();
    if (connection < 0)
        return 0;
    if (pthread_create(&thread, NULL, wait_for_the_end, NULL) == 0)
        pthread_detach(thread);
    return 1;
}

/* Carry out one call; at most room bytes of the answer are stored, the rest of them is zeroed. */
static int32_t call(uint32_t operation, uint32_t a, uint32_t b, uint32_t c, const void *data, uint32_t size,
                    void *answer, uint32_t room)
{
    uint32_t request[5] = {operation, a, b, c, size};
    int32_t reply[2] = {-1, 0};
    pthread_mutex_lock(&lock);
    if (operation == OPEN || operation == CLOSE)
        uses_probe = operation == OPEN;
    if (!start())
        goto done;
    if (!put(connection, request, sizeof request) || !put(connection, data, size) ||
        !get(connection, reply, sizeof reply))
        _exit(1);
    uint32_t left = (uint32_t)reply[1], kept = left < room ? left : room;
    if (!get(connection, answer, kept))
        _exit(1);
    if (room > kept)
        memset((char *)answer + kept, 0, room - kept);
    for (left -= kept; left > 0; left--)
        if (!get(connection, request, 1))
            _exit(1);
done:
    pthread_mutex_unlock(&lock);
    return reply[0];
}

static int32_t ask(uint32_t operation, uint32_t a, uint32_t b)
{
    return call(operation, a, b, 0, NULL, 0, NULL, 0);
}

static uint32_t ask_word(uint32_t operation, uint32_t a)
{
    uint32_t value = 0;
    call(operation, a, 0, 0, NULL, 0, &value, sizeof value);
    return value;
}

static int32_t tell(uint32_t operation, const char *text, char *answer, int room)
{
    uint32_t size = text ? (uint32_t)strlen(text) : 0;
    if (answer && room > 0)
        answer[0] = 0;
    return call(operation, 0, 0, 0, text, size, answer, answer && room > 0 ? (uint32_t)room : 0);
}

/* --- the probe --- */

struct probe_info {
    uint32_t serial;
    unsigned char interface;
    uint32_t usb_address;
    uint8_t ip[16];
    int milliseconds;
    uint64_t microseconds;
    uint32_t hardware;
    uint8_t mac[6];
    char product[32], nickname[32], firmware[112];
    char dhcp, dhcp_valid, connections, connections_valid;
    uint8_t padding[34];
};

EXPORT int JLINKARM_EMU_GetList(int interfaces, struct probe_info *list, int most)
{
    uint32_t serials[64];
    int count = call(LIST, (uint32_t)interfaces, 0, 0, NULL, 0, serials, sizeof serials);
    for (int index = 0; list && index < count && index < most && index < 64; index++) {
        memset(&list[index], 0, sizeof list[index]);
        list[index].serial = serials[index];
        list[index].interface = 1;
        strcpy(list[index].product, "J-Link");
    }
    return count;
}

EXPORT uint32_t JLINKARM_EMU_GetNumDevices(void)
{
    return (uint32_t)JLINKARM_EMU_GetList(1, NULL, 0);
}

EXPORT int JLINKARM_EMU_SelectByUSBSN(uint32_t serial) { return ask(SELECT, serial, 0); }
EXPORT int JLINKARM_EMU_SelectIPBySN(uint32_t serial) { return ask(SELECT, serial, 1); }
EXPORT char JLINKARM_SelectUSB(int port) { return (char)(port < 0); }

EXPORT char JLINKARM_SelectIP(const char *host, int port)
{
    return (char)call(SELECT_IP, (uint32_t)port, 0, 0, host, host ? (uint32_t)strlen(host) : 0, NULL, 0);
}

EXPORT const char *JLINKARM_OpenEx(void *log, void *error)
{
    (void)log, (void)error;
    return ask(OPEN, 0, 0) == 0 ? NULL : "Cannot connect to J-Link.";
}

EXPORT const char *JLINKARM_Open(void) { return JLINKARM_OpenEx(NULL, NULL); }
EXPORT void JLINKARM_Close(void) { ask(CLOSE, 0, 0); }
EXPORT char JLINKARM_IsOpen(void) { return (char)ask(IS_CONNECTED, 0, 0); }
EXPORT char JLINKARM_EMU_IsConnected(void) { return (char)ask(IS_CONNECTED, 0, 0); }
EXPORT int JLINKARM_GetSN(void) { return (int)ask_word(SERIAL, 0); }
EXPORT uint32_t JLINKARM_GetDLLVersion(void) { return 79405; }
EXPORT int JLINKARM_GetHardwareVersion(void) { return 100000; }
EXPORT const char *JLINKARM_GetCompileDateTime(void) { return "Jan  1 2024 00:00:00"; }
EXPORT uint32_t JLINKARM_GetEmuCaps(void) { return 0xB9FF7BBF; }
EXPORT int JLINKARM_EMU_HasCapEx(int capability) { return capability >= 0; }
EXPORT int JLINKARM_EMU_HasCPUCap(uint32_t capability) { (void)capability; return 1; }
EXPORT void JLINKARM_GetEmuCapsEx(uint8_t *caps, int size) { memset(caps, 0xFF, (size_t)size); }
EXPORT char JLINKARM_HasError(void) { return 0; }
EXPORT void JLINKARM_ClrError(void) { }
EXPORT int JLINKARM_ExecCommand(const char *text, char *error, int room) { return tell(COMMAND, text, error, room); }

EXPORT void JLINKARM_GetFirmwareString(char *text, int room)
{
    snprintf(text, (size_t)room, "J-Link model of a probe compiled Jan  1 2024 00:00:00");
}

EXPORT int JLINKARM_EMU_GetProductName(char *text, int room)
{
    snprintf(text, (size_t)room, "J-Link");
    return 0;
}

struct hardware_status {
    uint16_t millivolts;
    uint8_t tck, tdi, tdo, tms, tres, trst;
};

EXPORT int JLINKARM_GetHWStatus(struct hardware_status *status)
{
    memset(status, 0, sizeof *status);
    status->millivolts = (uint16_t)ask_word(SUPPLY, 0);
    status->tres = status->trst = 1;
    return 0;
}

/* --- the connection to the target --- */

EXPORT int JLINKARM_TIF_Select(int interface) { (void)interface; return 0; }
EXPORT void JLINKARM_TIF_GetAvailable(uint32_t *mask) { *mask = 3; }
EXPORT void JLINKARM_SetSpeed(uint32_t kilohertz) { ask(SPEED, kilohertz, 0); }
EXPORT void JLINKARM_SetMaxSpeed(void) { ask(SPEED, 0xFFFF, 0); }
EXPORT uint16_t JLINKARM_GetSpeed(void) { return (uint16_t)ask_word(SPEED, 0); }

struct speed_info {
    uint32_t size, base;
    uint16_t least_divider, adaptive;
};

EXPORT void JLINKARM_GetSpeedInfo(struct speed_info *info)
{
    info->base = 50000000;
    info->least_divider = 1;
    info->adaptive = 0;
}

EXPORT int JLINKARM_Connect(void) { return ask(CONNECT, 0, 0); }
EXPORT char JLINKARM_IsConnected(void) { return (char)ask(IS_CONNECTED, 1, 0); }
EXPORT uint32_t JLINKARM_CORE_GetFound(void) { return ask_word(CORE, 0); }
EXPORT uint32_t JLINKARM_GetId(void) { return 0x6BA02477; }
EXPORT int JLINKARM_CORESIGHT_Configure(const char *text) { return tell(COMMAND, text, NULL, 0); }

EXPORT int JLINKARM_CORESIGHT_ReadAPDPReg(uint8_t index, uint8_t access_port, uint32_t *value)
{
    return call(READ_DAP, index, access_port, 0, NULL, 0, value, 4);
}

EXPORT int JLINKARM_CORESIGHT_WriteAPDPReg(uint8_t index, uint8_t access_port, uint32_t value)
{
    return call(WRITE_DAP, index, access_port, value, NULL, 0, NULL, 0);
}

EXPORT char JLINKARM_IsHalted(void) { return (char)ask(IS_HALTED, 0, 0); }
EXPORT char JLINKARM_Halt(void) { return (char)ask(HALT, 0, 0); }
EXPORT void JLINKARM_Go(void) { ask(GO, 0, 0); }
EXPORT void JLINKARM_GoEx(int most, uint32_t flags) { (void)most, (void)flags; ask(GO, 0, 0); }
EXPORT int JLINKARM_Reset(void) { return ask(RESET, 1, 0); }
EXPORT void JLINKARM_ResetNoHalt(void) { ask(RESET, 0, 0); }
EXPORT int JLINKARM_SetResetType(int type) { (void)type; return 0; }
EXPORT void JLINKARM_SetResetDelay(int milliseconds) { (void)milliseconds; }
EXPORT void JLINKARM_SetRESET(void) { ask(PIN, 1, 0); }
EXPORT void JLINKARM_ClrRESET(void) { ask(PIN, 0, 0); }
EXPORT uint32_t JLINKARM_ReadReg(uint32_t index) { return ask_word(READ_REGISTER, index); }
EXPORT int JLINKARM_WriteReg(uint32_t index, uint32_t value) { return ask(WRITE_REGISTER, index, value); }

/* --- memory --- */

static int32_t read_memory(uint32_t address, uint32_t size, void *data, uint32_t width)
{
    return call(READ_MEMORY, address, size, width, NULL, 0, data, size);
}

static int32_t write_memory(uint32_t address, uint32_t size, const void *data, uint32_t width)
{
    return call(WRITE_MEMORY, address, size, width, data, size, NULL, 0);
}

static int read_items(uint32_t address, uint32_t count, void *data, uint8_t *status, uint32_t width)
{
    int32_t result = read_memory(address, count * width, data, width);
    if (status)
        memset(status, result < 0, count);
    return result < 0 ? result : (int)count;
}

EXPORT int JLINKARM_ReadMem(uint32_t address, uint32_t size, void *data)
{
    return read_memory(address, size, data, 0) < 0;
}

EXPORT int JLINKARM_ReadMemHW(uint32_t address, uint32_t size, void *data)
{
    return read_memory(address, size, data, 0) < 0;
}

EXPORT int JLINKARM_ReadMemU8(uint32_t address, uint32_t count, uint8_t *data, uint8_t *status)
{
    return read_items(address, count, data, status, 1);
}

EXPORT int JLINKARM_ReadMemU16(uint32_t address, uint32_t count, uint16_t *data, uint8_t *status)
{
    return read_items(address, count, data, status, 2);
}

EXPORT int JLINKARM_ReadMemU32(uint32_t address, uint32_t count, uint32_t *data, uint8_t *status)
{
    return read_items(address, count, data, status, 4);
}

EXPORT int JLINKARM_ReadMemEx(uint32_t address, uint32_t size, void *data, uint32_t width)
{
    int32_t result = read_memory(address, size, data, width);
    return result < 0 ? result : (int)(size / (width ? width : 1));
}

EXPORT int JLINKARM_WriteMem(uint32_t address, uint32_t size, const void *data)
{
    int32_t result = write_memory(address, size, data, 0);
    return result < 0 ? result : (int)size;
}

EXPORT int JLINKARM_WriteMemHW(uint32_t address, uint32_t size, const void *data)
{
    return JLINKARM_WriteMem(address, size, data);
}

EXPORT int JLINKARM_WriteMemEx(uint32_t address, uint32_t size, const void *data, uint32_t width)
{
    int32_t result = write_memory(address, size, data, width);
    return result < 0 ? result : (int)(size / (width ? width : 1));
}

EXPORT int JLINKARM_WriteU8(uint32_t address, uint8_t value) { return write_memory(address, 1, &value, 1); }
EXPORT int JLINKARM_WriteU16(uint32_t address, uint16_t value) { return write_memory(address, 2, &value, 2); }
EXPORT int JLINKARM_WriteU32(uint32_t address, uint32_t value) { return write_memory(address, 4, &value, 4); }

/* --- what is there to be found, does nothing, and is told to the model --- */

#define NOTED(name)                                                                                            \
    EXPORT int name(void)                                                                                      \
    {                                                                                                          \
        tell(NOTE, #name, NULL, 0);                                                                            \
        return 0;                                                                                              \
    }

NOTED(JLINKARM_BeginDownload)
NOTED(JLINKARM_EndDownload)
NOTED(JLINKARM_ClrBPEx)
NOTED(JLINKARM_SetBPEx)
NOTED(JLINKARM_Step)
NOTED(JLINKARM_EnableLog)
NOTED(JLINKARM_EnableLogCom)
NOTED(JLINKARM_SetLogFile)
NOTED(JLINKARM_SetErrorOutHandler)
NOTED(JLINKARM_SetWarnOutHandler)
NOTED(JLINKARM_GetHWInfo)
NOTED(JLINKARM_GetDeviceFamily)
NOTED(JLINKARM_UpdateFirmwareIfNewer)
NOTED(JLINKARM_SWO_Control)
NOTED(JLINKARM_SWO_Read)
NOTED(JLINKARM_SetTRST)
NOTED(JLINKARM_ClrTRST)
NOTED(JLINKARM_ResetPullsRESET)
NOTED(JLINKARM_ResetPullsTRST)
NOTED(JLINKARM_WaitForHalt)
NOTED(JLINKARM_DEVICE_GetIndex)
NOTED(JLINKARM_DEVICE_GetInfo)
NOTED(JLINKARM_SetEndian)
NOTED(JLINK_SetHookUnsecureDialog)
NOTED(JLINK_SetFlashProgProgressCallback)
NOTED(JLINK_EraseChip)
NOTED(JLINK_DownloadFile)
NOTED(JLINK_RTTERMINAL_Control)
NOTED(JLINK_RTTERMINAL_Read)
NOTED(JLINK_RTTERMINAL_Write)
NOTED(JLINK_HSS_GetCaps)
NOTED(JLINK_EMU_GPIO_GetProps)
NOTED(JLINK_STRACE_Control)
NOTED(JLINKARM_EMU_COM_IsSupported)
NOTED(JLINKARM_EMU_COM_Read)
NOTED(JLINKARM_EMU_COM_Write)
NOTED(JLINKARM_Lock)
NOTED(JLINKARM_Unlock)
NOTED(JLINKARM_SetTMS)
NOTED(JLINKARM_ClrTMS)
NOTED(JLINKARM_SetTCK)
NOTED(JLINKARM_ClrTCK)
NOTED(JLINKARM_SetTDI)
NOTED(JLINKARM_ClrTDI)

/* --- sleeps: as good as none where the probe is a model, but the modelled clock must know of them --- */

static __thread int64_t skipped;

static int sleep_or_tell(clockid_t clock, const struct timespec *time, struct timespec *rest)
{
    if (!uses_probe)
        return syscall(SYS_clock_nanosleep, clock, 0, time, rest) == 0 ? 0 : -1;
    int64_t nanoseconds = (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
    skipped += nanoseconds;
    call(SLEEP, (uint32_t)(nanoseconds / 1000), 0, 0, NULL, 0, NULL, 0);
    return 0;
}

EXPORT int nanosleep(const struct timespec *time, struct timespec *rest)
{
    return sleep_or_tell(CLOCK_REALTIME, time, rest);
}

EXPORT int usleep(useconds_t microseconds)
{
    struct timespec time = {microseconds / 1000000, (long)(microseconds % 1000000) * 1000};
    return sleep_or_tell(CLOCK_REALTIME, &time, NULL);
}

EXPORT int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *rest)
{
    if (uses_probe && flags == 0)
        return sleep_or_tell(clock, time, rest);
    return syscall(SYS_clock_nanosleep, clock, flags, time, rest) == 0 ? 0 : errno;
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *time)
{
    if (syscall(SYS_clock_gettime, clock, time) != 0)
        return -1;
    if ((clock == CLOCK_MONOTONIC || clock == CLOCK_REALTIME) && uses_probe) {
        int64_t nanoseconds = time->tv_nsec + skipped;
        time->tv_sec += nanoseconds / 1000000000;
        time->tv_nsec = nanoseconds % 1000000000;
    }
    return 0;
}

EXPORT time_t time(time_t *result)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result)
        *result = now.tv_sec;
    return now.tv_sec;
}

EXPORT int gettimeofday(struct timeval *restrict result, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    result->tv_sec = now.tv_sec;
    result->tv_usec = now.tv_nsec / 1000;
    return 0;
}

/*
 * Moments that such a thread waits for are by its own clock, and the kernel's is behind. Without this, a wait of
 * 100 ms lasts as long as all the sleeps that were skipped, and a notice that was missed seems to be a hang.
 */

static struct timespec by_the_kernel(const struct timespec *moment)
{
    int64_t ahead = uses_probe ? skipped : 0;
    int64_t nanoseconds = (int64_t)moment->tv_sec * 1000000000 + moment->tv_nsec - ahead;
    return (struct timespec){nanoseconds / 1000000000, nanoseconds % 1000000000};
}

static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        abort();
    return found;
}

EXPORT int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *moment)
{
    static int (*wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    struct timespec kernel = by_the_kernel(moment);
    if (wait == NULL)
        *(void **)&wait = next("pthread_cond_timedwait");
    return wait(condition, mutex, &kernel);
}

EXPORT int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *moment)
{
    static int (*take)(pthread_mutex_t *, const struct timespec *);
    struct timespec kernel = by_the_kernel(moment);
    if (take == NULL)
        *(void **)&take = next("pthread_mutex_timedlock");
    return take(mutex, &kernel);
}

EXPORT int sem_timedwait(sem_t *semaphore, const struct timespec *moment)
{
    static int (*wait)(sem_t *, const struct timespec *);
    struct timespec kernel = by_the_kernel(moment);
    if (wait == NULL)
        *(void **)&wait = next("sem_timedwait");
    return wait(semaphore, &kernel);
}
