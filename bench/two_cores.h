/* SPDX-License-Identifier: MIT */
/* Two threads, each on a core of its own from its creation to its end, that do pieces of work at the same time. */
#ifndef BENCH_TWO_CORES_H
#define BENCH_TWO_CORES_H

#include <pthread.h>

#include <atomic>
#include <functional>
#include <string>

namespace bench {

/* In a loop that waits for the other core. */
inline void relax()
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

class TwoCores {
public:
    /* On the first two cores that this process may use; ends the program if there is one only. */
    TwoCores();
    ~TwoCores();
    TwoCores(const TwoCores &) = delete;
    TwoCores &operator=(const TwoCores &) = delete;

    /* Runs both, which begin at the same moment; returns the nanoseconds until both are done. */
    double run(const std::function<void()> &first, const std::function<void()> &second);

    /* The numbers of the cores, and whether they are two threads of one. */
    std::string describe() const;

private:
    struct Worker {
        TwoCores *owner;
        int number, cpu;
        pthread_t thread;
    };

    static void *work(void *worker);

    Worker workers_[2];
    std::function<void()> jobs_[2];
    pthread_mutex_t lock_ = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t changed_ = PTHREAD_COND_INITIALIZER;
    unsigned ordered_ = 0, done_[2] = {0, 0};
    bool over_ = false;
    double start_[2], end_[2];
    alignas(128) std::atomic<unsigned> met_{0};
};

} // namespace bench

#endif
